/**
 * The receiver's side of flow control: it checks the sender's sums at the header of each frame, before the
 * body is there, and gives credit for what was consumed.
 *
 * A byte is unread from its header until it is consumed, then unreported until its credit is sent; the two
 * together are what the sender counts as outstanding, or less while frames are under way. An honest sender
 * therefore never breaks a sum here.
 *
 * Credit is due when
 *
 *     unreported >= max(guarantee / 2, min(64 KiB, (unread + unreported) / 2))
 *
 * so that small reads do not each cause a frame. A sender that may send no byte has at least the guarantee
 * outstanding, so once all of that was read, credit is due: it never waits for ever.
 */
import type { FlowLimits } from './flow_limits.js'
import { OwingQueue } from './owing_queue.js'
import { Pool } from './pool.js'
import { nextReceiveState, ReceiveEvent, ReceiveState } from './stream_states.js'
import { fault, violation } from './violation.js'

const mostUnreported = 64 * 1024

/** All streams that one peer receives on, within its own limits. `Owner` is who has a half: a stream. */
export class ReceiveFlow<Owner> {
  readonly limits: FlowLimits
  readonly pool: Pool
  /** Directions that owe the sender a STOP or credit. Each is in it once, however much it owes. */
  readonly owing = new OwingQueue<ReceiveHalf<Owner>>()

  constructor(limits: FlowLimits) {
    this.limits = limits
    this.pool = new Pool(limits.guarantee, limits.pool)
  }
}

/** One direction of a stream, at its receiver. */
export class ReceiveHalf<Owner> {
  readonly owner: Owner
  /** For `OwingQueue`. */
  nextOwing: ReceiveHalf<Owner> | undefined = undefined
  isOwing = false
  readonly #flow: ReceiveFlow<Owner>
  #state = ReceiveState.free
  #received = 0
  #unread = 0
  #unreported = 0
  #owesStop = false

  constructor(flow: ReceiveFlow<Owner>, owner: Owner) {
    this.#flow = flow
    this.owner = owner
  }

  get state(): ReceiveState {
    return this.#state
  }

  /** Bytes whose header has come and which were neither read nor discarded. */
  get unread(): number {
    return this.#unread
  }

  /** Bytes that the sender has outstanding, as far as is known here. */
  get outstanding(): number {
    return this.#unread + this.#unreported
  }

  /**
   * OPEN has come, or is sent for a stream that goes both ways. Its first bytes are `arrive`'s matter.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  open(start = 0): void {
    this.#state = nextReceiveState(this.#state, ReceiveEvent.open)
    this.#received = start | 0
  }

  /**
   * A header has come of a frame with so many bytes of the stream, perhaps the last. In the states `stopped`
   * and `finished` the body is nobody's when it comes: its bytes count as discarded already.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  arrive(offset: number, bytes: number, fin = false): void {
    const next = nextReceiveState(this.#state, fin ? ReceiveEvent.fin : ReceiveEvent.data)
    this.#checkOffset(offset)
    const before = this.outstanding
    const after = before + bytes
    const { pool, limits } = this.#flow
    if (after > limits.window) {
      throw violation(`${String(after - limits.window)} bytes more than a stream's window`)
    }
    const lacking = pool.excess(after) - pool.excess(before) - pool.free
    if (lacking > 0)
      throw violation(`${String(lacking)} bytes more than the pool of all streams has`)
    pool.change(before, after)
    this.#received = (this.#received + bytes) | 0
    this.#unread += bytes
    this.#enter(next)
  }

  /**
   * RESET has come: what is unread is discarded.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  reset(finalOffset: number): void {
    const next = nextReceiveState(this.#state, ReceiveEvent.reset)
    this.#checkOffset(finalOffset)
    this.#enter(next)
  }

  /**
   * BLOCKED has come, which changes nothing.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  blocked(): void {
    this.#state = nextReceiveState(this.#state, ReceiveEvent.blocked)
  }

  /** The reader gives up, for whatever reason: what is unread, and all that will come, is discarded. */
  discard(): void {
    if (this.#state === ReceiveState.open) {
      this.#owesStop = true
      this.#flow.owing.add(this)
      this.#enter(nextReceiveState(this.#state, ReceiveEvent.stop))
    } else if (this.#state === ReceiveState.ended) {
      this.release(this.#unread)
    }
  }

  /**
   * So many bytes are held no more. Every way out goes through here: bytes that were read, and those that
   * are discarded because the reader gave up, the sender reset, the mux closes, or they cannot be decoded.
   */
  release(bytes: number): void {
    if (bytes > this.#unread) throw fault('credit for bytes that have not come')
    this.#unread -= bytes
    this.#unreported += bytes
    if (this.#state === ReceiveState.ended && this.#unread === 0) {
      this.#state = nextReceiveState(this.#state, ReceiveEvent.consumed)
    }
    if (this.#creditIsDue()) this.#flow.owing.add(this)
  }

  /** Whether a STOP is to be sent now, before credit; asked once, it counts as sent. */
  takeStop(): boolean {
    const owed = this.#owesStop
    this.#owesStop = false
    return owed
  }

  /**
   * The offset of a CREDIT that is to be sent now, and counts as sent; -1 when none is due. It is a DONE
   * when the state is `free` afterwards.
   */
  takeCredit(): number {
    if (!this.#creditIsDue()) return -1
    const before = this.outstanding
    this.#unreported = 0
    this.#flow.pool.change(before, this.#unread)
    if (this.#state === ReceiveState.finished) {
      this.#state = nextReceiveState(this.#state, ReceiveEvent.done)
    }
    return (this.#received - this.#unread) >>> 0
  }

  #checkOffset(offset: number): void {
    if ((offset | 0) === this.#received) return
    throw violation(
      `a frame at offset ${String(offset)} of a stream that has come to ${String(this.#received >>> 0)}`,
    )
  }

  #enter(state: ReceiveState): void {
    this.#state = state
    const isOver = state === ReceiveState.finished
    // The sender has ended by itself, and must not be stopped behind DONE.
    if (isOver) this.#owesStop = false
    this.release(isOver || state === ReceiveState.stopped ? this.#unread : 0)
  }

  #creditIsDue(): boolean {
    if (this.#state === ReceiveState.finished) return true
    const unreported = this.#unreported
    if (unreported === 0 || 2 * unreported < this.#flow.limits.guarantee) return false
    return unreported >= mostUnreported || 2 * unreported >= this.outstanding
  }
}
