/** Whether a server's path still leads to it, and how it gets it back. */
import { RetryTimer } from '../core/retry.js'
import type { SocketHandle } from './native.js'

/** How often the path is looked at, and the pauses when it cannot be had again. */
const pauses = { firstMs: 1000, longestMs: 60_000 }

export interface NameKeeperEvents {
  /** The path leads to this new socket now, which listens as the old one did. */
  renewed(handle: SocketHandle): void
  /** The path cannot be had for now; it is tried again after a while. */
  failed(error: Error): void
}

/**
 * A socket can be bound once only, so a path that was lost is bound with a new socket. The old one lets go
 * of its lock before, and is closed when the clients that it still has are taken.
 */
export class NameKeeper {
  #handle: SocketHandle
  readonly #bind: (() => SocketHandle) | undefined
  readonly #events: NameKeeperEvents
  #triedAt = -Infinity
  /** Looking does not keep the process alive: the server does. */
  readonly #timer = new RetryTimer(
    () => {
      this.#look()
    },
    pauses,
    false,
  )

  /** `bind` binds the path again; undefined: a path that is lost stays so. */
  constructor(
    handle: SocketHandle,
    bind: (() => SocketHandle) | undefined,
    events: NameKeeperEvents,
  ) {
    this.#handle = handle
    this.#bind = bind
    this.#events = events
    if (bind !== undefined) this.#timer.start()
  }

  /** Whether the path leads to the server; one that was lost is bound again if it can be, once a second at most. */
  check(): boolean {
    if (this.#handle.isNamed()) return true
    const mayTry = performance.now() - this.#triedAt >= pauses.firstMs
    return mayTry && this.#renew()
  }

  close(): void {
    this.#timer.stop()
  }

  #look(): void {
    if (this.#handle.isNamed() || this.#renew()) this.#timer.reset()
    this.#timer.start()
  }

  #renew(): boolean {
    if (this.#bind === undefined) return false
    this.#triedAt = performance.now()
    try {
      this.#handle.leaveName()
      this.#handle = this.#bind()
    } catch (error) {
      this.#events.failed(error as Error)
      return false
    }
    this.#events.renewed(this.#handle)
    return true
  }
}
