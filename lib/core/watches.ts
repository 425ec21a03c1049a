/** What is watched for readiness in this thread, and what to call. */

/** `Readiness` of core/watcher.hpp, as bits. */
export const Readiness = {
  readable: 1,
  writable: 2,
  /** For nothing, but the process is kept alive. */
  idle: 4,
} as const

/** What is watched is held strongly, and only while it is. */
export class Watches {
  readonly #listeners = new Map<number, (readiness: number) => void>()
  #lastId = 0

  newId(): number {
    return ++this.#lastId
  }

  add(id: number, listener: (readiness: number) => void): void {
    this.#listeners.set(id, listener)
  }

  remove(id: number): void {
    this.#listeners.delete(id)
  }

  /** The native side's call. A late one, for somebody who is watched no longer, does nothing. */
  ready(id: number, readiness: number): void {
    this.#listeners.get(id)?.(readiness)
  }
}
