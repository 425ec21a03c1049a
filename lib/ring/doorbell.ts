/** How an endpoint sleeps until its peer has done something, and wakes a peer that sleeps. */
import type { Listener } from '../core/listeners.js'
import { wakeups } from '../core/native.js'
import { PendingWake } from '../core/pending_wake.js'
import { WaitStatus, type EndpointHandle } from './native.js'

/**
 * A ring has no bell of its own: it is given one. Whoever sleeps says so, looks once more and then
 * sleeps; whoever has done something for a sleeper rings.
 */
export interface Doorbell {
  /**
   * Sleeps for `wanted` (bytes of room; 0 for the consumer). Returns what there is at once, or
   * `nothingYet`; then it calls `wake` later, once, unless `awake` is called before.
   */
  sleep(wanted: number, wake: () => void, ref: boolean): WaitStatus
  /** Takes a sleep back. Does nothing when there is none. */
  awake(): void
  /** Whether the sleep keeps the process alive. */
  setRef(ref: boolean): void
  /** Blocks the thread for so many milliseconds at most. */
  sleepSync(wanted: number, milliseconds: number): WaitStatus
  /** Wakes the peer, if it sleeps. */
  ring(): void
  /** This end was given up: a peer that sleeps learns of it. */
  leave(): void
}

/** Makes the doorbell of one end, which native code knows by `id`. */
export type MakeDoorbell = (id: number, handle: EndpointHandle) => Doorbell

/** The doorbells in the ring's memory: a futex, on Windows an event. */
export class NativeDoorbell implements Doorbell, Listener {
  readonly #id: number
  readonly #handle: EndpointHandle
  readonly #sleep = new PendingWake()

  /** `id` is the one that the handle was made with. */
  constructor(id: number, handle: EndpointHandle) {
    this.#id = id
    this.#handle = handle
  }

  sleep(wanted: number, wake: () => void, ref: boolean): WaitStatus {
    const status = this.#handle.park(wanted)
    if (status !== WaitStatus.nothingYet) return status
    this.#sleep.begin(wake, ref)
    wakeups.listen(this.#id, this)
    return status
  }

  awake(): void {
    if (!this.#sleep.isPending) return
    this.#end()
    this.#handle.unpark()
  }

  setRef(ref: boolean): void {
    this.#sleep.ref = ref
  }

  /** The parking thread's call. */
  notify(): void {
    this.#end()?.()
  }

  #end(): (() => void) | undefined {
    wakeups.forget(this.#id)
    return this.#sleep.end()
  }

  sleepSync(wanted: number, milliseconds: number): WaitStatus {
    return this.#handle.waitSync(wanted, milliseconds)
  }

  ring(): void {
    this.#handle.wakePeer()
  }

  /** Native code has rung when it gave the role up. */
  leave(): void {
    // Nothing is left to do.
  }
}
