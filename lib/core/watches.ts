/** What is watched for readiness in this thread, and whom to tell. */

/** `Readiness` of core/watcher.hpp, as bits. */
export const Readiness = {
  readable: 1,
  writable: 2,
  /** For nothing, but the process is kept alive. */
  idle: 4,
} as const

/** A method of its own name, so that users do not see it. */
export const ready = Symbol('ready')

export interface Watched {
  [ready](readiness: number): void
}

/** What is watched is held strongly, and only while it is. */
export class Watches {
  readonly #watched = new Map<number, Watched>()
  #lastId = 0

  newId(): number {
    return ++this.#lastId
  }

  add(id: number, watched: Watched): void {
    this.#watched.set(id, watched)
  }

  remove(id: number): void {
    this.#watched.delete(id)
  }

  /** The native side's call. A late one, for somebody who is watched no longer, does nothing. */
  ready(id: number, readiness: number): void {
    this.#watched.get(id)?.[ready](readiness)
  }
}
