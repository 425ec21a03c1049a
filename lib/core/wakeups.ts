import { callUserCode } from './user_code.js'

/**
 * Who sleeps in the native waiting threads, and what to call when it wakes. An endpoint is held
 * strongly only while it sleeps.
 */
export class Wakeups {
  readonly #setRef: (ref: boolean) => void
  readonly #sleepers = new Map<number, { wake: () => void; ref: boolean }>()
  #lastId = 0
  #refs = 0

  /** `setRef` says whether sleepers keep the process alive. */
  constructor(setRef: (ref: boolean) => void) {
    this.#setRef = setRef
  }

  newId(): number {
    return ++this.#lastId
  }

  sleeping(id: number, wake: () => void, ref: boolean): void {
    this.awake(id)
    this.#sleepers.set(id, { wake, ref })
    if (ref && this.#refs++ === 0) this.#setRef(true)
  }

  /** Changes whether one that sleeps keeps the process alive. */
  setRef(id: number, ref: boolean): void {
    const sleeper = this.#sleepers.get(id)
    if (sleeper !== undefined) this.sleeping(id, sleeper.wake, ref)
  }

  /** False when it was not asleep. */
  awake(id: number): boolean {
    const sleeper = this.#sleepers.get(id)
    if (sleeper === undefined) return false
    this.#sleepers.delete(id)
    if (sleeper.ref && --this.#refs === 0) this.#setRef(false)
    return true
  }

  /** The native side's call. A late one, for somebody who is no longer asleep, does nothing. */
  wake(ids: readonly number[]): void {
    for (const id of ids) {
      const sleeper = this.#sleepers.get(id)
      if (this.awake(id) && sleeper !== undefined) callUserCode(sleeper.wake)
    }
  }
}
