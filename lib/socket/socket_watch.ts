import type { Listener } from '../core/listeners.js'
import { watches } from '../core/native.js'
import type { SocketHandle } from './native.js'

/**
 * The watching of one socket. To stop watching costs system calls and is often followed by a new
 * start, so users leave a watch on until it reports what they do not want.
 */
export class SocketWatch {
  readonly #id = watches.newId()
  readonly #handle: SocketHandle
  readonly #listener: Listener
  #wanted = 0
  #started = false
  #ref = true

  constructor(handle: SocketHandle, listener: Listener) {
    this.#handle = handle
    this.#listener = listener
  }

  get wanted(): number {
    return this.#wanted
  }

  /** Watches for this, too. */
  add(readiness: number): void {
    if ((this.#wanted & readiness) !== readiness) this.set(this.#wanted | readiness)
  }

  remove(readiness: number): void {
    if ((this.#wanted & readiness) !== 0) this.set(this.#wanted & ~readiness)
  }

  set(wanted: number): void {
    if (wanted === this.#wanted) return
    this.#handle.watch(this.#id, wanted)
    // After that, which may fail; nothing is reported before the next turn.
    if (this.#wanted === 0) watches.listen(this.#id, this.#listener)
    this.#wanted = wanted
    if (!this.#started) {
      this.#started = true
      if (!this.#ref) this.#handle.setRef(false)
    }
    if (wanted === 0) watches.forget(this.#id)
  }

  set ref(ref: boolean) {
    if (ref === this.#ref) return
    this.#ref = ref
    if (this.#started) this.#handle.setRef(ref)
  }

  get ref(): boolean {
    return this.#ref
  }

  /** The handle is closed next, which ends the watching natively. */
  close(): void {
    watches.forget(this.#id)
    this.#wanted = 0
  }
}
