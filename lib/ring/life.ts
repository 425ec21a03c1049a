/** How an endpoint shows that it lives, and what is known of its peer's life. */
import type { EndpointHandle, RingHandle } from './native.js'
import type { Role } from './endpoint_state.js'

/** A ring is given one: the lock of a role, or what else ends when a process does. */
export interface Life {
  /** Ends the stream, or the reading of it, for good. */
  close(): void
  /** Ends as if this process had died: a successor goes on. */
  abandon(): void
  /** The peer's death is known: waits go on until another has come in its place. */
  mourn(): void
  /** The process at the other end, or the last that was there. */
  peerPid(): number | undefined
}

/** The role's lock on a byte of the ring's memory, which the system drops when the process dies. */
export class RoleLife implements Life {
  readonly #handle: EndpointHandle
  readonly #ring: RingHandle
  readonly #peer: Role

  constructor(handle: EndpointHandle, ring: RingHandle, peer: Role) {
    this.#handle = handle
    this.#ring = ring
    this.#peer = peer
  }

  close(): void {
    this.#handle.close()
  }

  abandon(): void {
    this.#handle.abandon()
  }

  mourn(): void {
    this.#handle.mourn()
  }

  peerPid(): number | undefined {
    return this.#ring.stats()[this.#peer].pid
  }
}
