/**
 * The sender's side of flow control: how many bytes may be sent on a stream now.
 *
 * With `outstanding` bytes of a stream, which were sent and are not reported as consumed,
 *
 *     outstanding <= window
 *     the sum over all streams of max(0, outstanding - guarantee) <= pool
 *
 * and a byte beyond the guarantee is sent only while the stream's part of the pool is less than what is free
 * in it. So a stream alone gets half of the pool, two get a third each, and a new one always finds some.
 *
 * Offsets count modulo 2^32 and are kept as signed integers, which V8 does not allocate for.
 */
import type { FlowLimits } from './flow_limits.js'
import { Pool } from './pool.js'
import { nextSendState, SendEvent, SendState } from './stream_states.js'
import { fault, violation } from './violation.js'

/** All streams that one peer sends on, within the limits that the other has told. */
export class SendFlow {
  readonly limits: FlowLimits
  readonly pool: Pool

  constructor(limits: FlowLimits) {
    this.limits = limits
    this.pool = new Pool(limits.guarantee, limits.pool)
  }
}

/** One direction of a stream, at its sender. */
export class SendHalf {
  readonly #pool: Pool
  readonly #window: number
  #state = SendState.free
  #sent = 0
  #outstanding = 0

  constructor(flow: SendFlow) {
    this.#pool = flow.pool
    this.#window = flow.limits.window
  }

  get state(): SendState {
    return this.#state
  }

  /** Bytes that were sent and are not reported as consumed. */
  get outstanding(): number {
    return this.#outstanding
  }

  /** The offset behind the last byte that was sent: of the next frame, and the final one of a RESET. */
  get offset(): number {
    return this.#sent >>> 0
  }

  /** How many bytes may be sent now. */
  get allowance(): number {
    if (this.#state !== SendState.open) return 0
    const pool = this.#pool
    const excess = pool.excess(this.#outstanding)
    const guaranteed = Math.max(0, pool.guarantee - this.#outstanding)
    // Each byte takes one from what is free and adds one to the excess: half of the difference.
    const shared = Math.max(0, Math.ceil((pool.free - excess) / 2))
    return Math.min(guaranteed + shared, this.#window - this.#outstanding)
  }

  /** OPEN is sent, or has come for a stream that goes both ways. Its first bytes are `send`'s matter. */
  open(start = 0): void {
    this.#state = nextSendState(this.#state, SendEvent.open)
    this.#sent = start | 0
  }

  /** A frame is sent with so many bytes of the stream, perhaps its last. Returns the offset of the first. */
  send(bytes: number, fin = false): number {
    const next = nextSendState(this.#state, fin ? SendEvent.fin : SendEvent.data)
    if (bytes > this.allowance) throw fault('more bytes of a stream than the peer has room for')
    const offset = this.offset
    this.#state = next
    this.#pool.change(this.#outstanding, this.#outstanding + bytes)
    this.#outstanding += bytes
    this.#sent = (this.#sent + bytes) | 0
    return offset
  }

  /** RESET is sent. What is outstanding stays so until the peer has returned it. Returns the final offset. */
  reset(): number {
    this.#state = nextSendState(this.#state, SendEvent.reset)
    return this.offset
  }

  /**
   * CREDIT has come. Returns how many bytes it gives back.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  credit(offset: number): number {
    this.#state = nextSendState(this.#state, SendEvent.credit)
    return this.#return(offset)
  }

  /**
   * CREDIT has come with the flag DONE: this direction is free again.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  done(offset: number): number {
    const next = nextSendState(this.#state, SendEvent.done)
    const returned = this.#return(offset)
    if (this.#outstanding > 0) {
      throw violation(
        `DONE at offset ${String(offset)} of a stream of ${String(this.offset)} bytes`,
      )
    }
    this.#state = next
    return returned
  }

  /**
   * STOP has come. While the state is `stopped` RESET or FIN is to be sent.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  stop(): void {
    this.#state = nextSendState(this.#state, SendEvent.stop)
  }

  #return(offset: number): number {
    const before = this.#outstanding
    const returned = (offset - this.#sent + before) >>> 0
    if (returned > before) {
      throw violation(
        `CREDIT to offset ${String(offset)}, of a stream that was sent up to ${String(this.offset)} ` +
          `with ${String(before)} bytes outstanding`,
      )
    }
    this.#outstanding = before - returned
    this.#pool.change(before, this.#outstanding)
    return returned
  }
}
