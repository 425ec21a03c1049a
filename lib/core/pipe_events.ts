import { callUserCode } from './user_code.js'

/** `PipeEvent` of pipe_win.hpp. */
export const PipeEvent = {
  connected: 0,
  read: 1,
  written: 2,
  identified: 3,
  closed: 4,
} as const

type Listener = (event: number, error: number) => void

/** Who waits for the completion of an operation on a pipe. A listener is held only while it waits. */
export class PipeEvents {
  readonly #setRef: (ref: boolean) => void
  readonly #listeners = new Map<number, Listener>()
  #refs = 0

  /** `setRef` says whether open pipes keep the process alive. */
  constructor(setRef: (ref: boolean) => void) {
    this.#setRef = setRef
  }

  listen(id: number, listener: Listener): void {
    this.#listeners.set(id, listener)
  }

  forget(id: number): void {
    this.#listeners.delete(id)
  }

  keepAlive(): void {
    if (this.#refs++ === 0) this.#setRef(true)
  }

  letGo(): void {
    if (--this.#refs === 0) this.#setRef(false)
  }

  /** The native side's call: triples of id, event and error code. */
  deliver(events: readonly number[]): void {
    for (let i = 0; i < events.length; i += 3) {
      const [id = 0, event = 0, error = 0] = events.slice(i, i + 3)
      callUserCode(() => this.#listeners.get(id)?.(event, error))
    }
  }
}
