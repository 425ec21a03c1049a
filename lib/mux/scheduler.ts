/**
 * Deficit round robin (Shreedhar and Varghese, 1995) over four priorities: says which stream sends the next frame.
 *
 * Each priority has an account in bytes. When its turn comes it is paid its weight times a quantum, and its
 * streams send, one frame each in turn, until the account is used up. So urgent streams get sixteen times what
 * idle ones get while both have something to send, and nobody starves: every priority that has a stream is paid
 * in every round.
 *
 * Adding, removing, choosing and charging take the same time however many streams there are.
 */

/** How urgent a stream is: 0 is the most urgent, 3 the least. */
export type Priority = 0 | 1 | 2 | 3

/** Bytes that a priority may send in a round, in quanta. */
export const weights = [16, 8, 2, 1] as const

/** Bytes of one quantum: the frame of a stream that has others beside it. */
export const quantum = 16 * 1024

/** A stream in the scheduler's hands. The links are the scheduler's own. */
export abstract class Schedulable {
  abstract readonly priority: Priority
  /** @internal The next in the ring of its priority; undefined while it has nothing to send. */
  next: Schedulable | undefined
  /** @internal */
  previous: Schedulable | undefined
}

export class Scheduler<Stream extends Schedulable> {
  /** The stream of each priority whose turn comes next. */
  readonly #heads: (Schedulable | undefined)[] = [undefined, undefined, undefined, undefined]
  /** Bytes that each may still send in this round; below zero what it has sent too much. */
  readonly #accounts = [0, 0, 0, 0]
  #current = 0
  #size = 0

  /** Streams that have something to send. */
  get size(): number {
    return this.#size
  }

  has(stream: Stream): boolean {
    return stream.next !== undefined
  }

  /** The stream has something to send: its turn comes after those of all others of its priority. */
  add(stream: Stream): void {
    if (stream.next !== undefined) return
    const { priority } = stream
    const head = this.#heads[priority]
    if (head?.previous === undefined) {
      stream.next = stream
      stream.previous = stream
      this.#heads[priority] = stream
    } else {
      const last = head.previous
      stream.next = head
      stream.previous = last
      last.next = stream
      head.previous = stream
    }
    this.#size++
  }

  /** The stream has nothing to send any more, or may not send it. */
  remove(stream: Stream): void {
    const { next, previous, priority } = stream
    if (next === undefined || previous === undefined) return
    if (next === stream) {
      this.#heads[priority] = undefined
      // An account is of those who send: nothing is saved for later.
      this.#accounts[priority] = Math.min(0, this.#accounts[priority])
    } else {
      previous.next = next
      next.previous = previous
      if (this.#heads[priority] === stream) this.#heads[priority] = next
    }
    stream.next = undefined
    stream.previous = undefined
    this.#size--
  }

  /** The stream that is to send the next frame; undefined when none has anything to send. */
  choose(): Stream | undefined {
    if (this.#size === 0) return undefined
    for (;;) {
      const head = this.#heads[this.#current]
      if (head !== undefined && this.#accounts[this.#current] > 0) return head as Stream
      this.#current = (this.#current + 1) % weights.length
      if (this.#heads[this.#current] !== undefined) {
        this.#accounts[this.#current] += weights[this.#current] * quantum
      }
    }
  }

  /** The stream that was chosen has sent so many bytes: the next of its priority comes before it again. */
  charge(stream: Stream, bytes: number): void {
    const { priority, next } = stream
    this.#accounts[priority] -= bytes
    if (next !== undefined && this.#heads[priority] === stream) this.#heads[priority] = next
  }
}
