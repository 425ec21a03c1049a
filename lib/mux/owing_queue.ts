/** Members of the queue are linked by themselves, so that nothing is allocated for one that owes something. */
export interface Owing<Self> {
  nextOwing: Self | undefined
  isOwing: boolean
}

/** A queue of all that owe the peer a frame, in the order in which they came to owe one, each once. */
export class OwingQueue<Member extends Owing<Member>> {
  #first: Member | undefined
  #last: Member | undefined

  add(member: Member): void {
    if (member.isOwing) return
    member.isOwing = true
    if (this.#last === undefined) this.#first = member
    else this.#last.nextOwing = member
    this.#last = member
  }

  /** The first, which is in the queue no more; undefined when nobody owes anything. */
  take(): Member | undefined {
    const member = this.#first
    if (member === undefined) return undefined
    this.#first = member.nextOwing
    if (this.#first === undefined) this.#last = undefined
    member.nextOwing = undefined
    member.isOwing = false
    return member
  }
}
