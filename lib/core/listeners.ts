import { callUserCode } from './user_code.js'

/** Hears what native code tells of something that it does on its own. */
export interface Listener {
  /** `event` is what happened, `error` the system's code of a failure, 0 for none. */
  notify(event: number, error: number): void
}

/**
 * Listeners of native code, by number. Native code holds numbers only, so a call that comes late, for
 * somebody who listens no more, does nothing. A listener is held strongly for as long as it listens.
 */
export class Listeners {
  readonly #setRef: ((ref: boolean) => void) | undefined
  readonly #listeners = new Map<number, Listener>()
  #lastId = 0
  #refs = 0

  /** `setRef` says natively whether what is waited for keeps the process alive. */
  constructor(setRef?: (ref: boolean) => void) {
    this.#setRef = setRef
  }

  newId(): number {
    return ++this.#lastId
  }

  listen(id: number, listener: Listener): void {
    this.#listeners.set(id, listener)
  }

  /** False when it did not listen. */
  forget(id: number): boolean {
    return this.#listeners.delete(id)
  }

  /** One more wants the process to stay alive. */
  keepAlive(): void {
    if (this.#refs++ === 0) this.#setRef?.(true)
  }

  /** One of those that called `keepAlive` no longer does. */
  letGo(): void {
    if (--this.#refs === 0) this.#setRef?.(false)
  }

  /** The native side's call. A listener that throws costs the next ones nothing. */
  tell(id: number, event = 0, error = 0): void {
    const listener = this.#listeners.get(id)
    if (listener !== undefined)
      callUserCode(() => {
        listener.notify(event, error)
      })
  }
}
