/** Two peers of the multiplexer's flow control, joined by queues of frames that move when a test says so. */
import { expect } from 'vitest'

import type { FlowLimits } from '../../lib/mux/flow_limits.js'
import { ReceiveFlow, ReceiveHalf } from '../../lib/mux/receive_flow.js'
import { SendFlow, SendHalf } from '../../lib/mux/send_flow.js'
import { OwnSlots, PeerSlots } from '../../lib/mux/slots.js'
import { ReceiveState, SendState } from '../../lib/mux/stream_states.js'

export interface Frame {
  readonly kind: 'open' | 'data' | 'credit' | 'reset' | 'stop'
  /** Whether the number is of the sender's own numbering. */
  readonly mine: boolean
  readonly slot: number
  readonly offset: number
  readonly bytes: number
  /** Of data: it is the last. Of credit: DONE. */
  readonly last: boolean
  readonly twoWay: boolean
  /** Which stream the sender means, whatever its number: no real frame tells that. */
  readonly stream: number
}

let lastStream = 0

export class Stream {
  readonly id: number
  readonly isMine: boolean
  readonly sending: SendHalf | undefined
  readonly receiving: ReceiveHalf<Stream> | undefined
  slot = -1
  /** Bytes that were written and wait for their turn. */
  pending = 0
  endsAfterPending = false
  /** Nobody reads it any more. */
  isDestroyed = false

  constructor(peer: Peer, isMine: boolean, twoWay: boolean, id = ++lastStream) {
    this.id = id
    this.isMine = isMine
    if (isMine || twoWay) this.sending = new SendHalf(peer.sendFlow)
    if (!isMine || twoWay) this.receiving = new ReceiveHalf(peer.receiveFlow, this)
  }

  get isOver(): boolean {
    return (
      (this.sending?.state ?? SendState.free) === SendState.free &&
      (this.receiving?.state ?? ReceiveState.free) === ReceiveState.free
    )
  }
}

export class Peer {
  readonly sendFlow: SendFlow
  readonly receiveFlow: ReceiveFlow<Stream>
  readonly own: OwnSlots<Stream>
  readonly peers: PeerSlots<Stream>
  readonly streams = new Set<Stream>()
  /** Frames that the other peer has not seen yet. */
  readonly wire: Frame[] = []
  readonly #start: number
  readonly #largestFrame: number

  /** `start` is the offset at which all streams begin. */
  constructor(theirs: FlowLimits, ours: FlowLimits, start: number, largestFrame: number) {
    this.sendFlow = new SendFlow(theirs)
    this.receiveFlow = new ReceiveFlow(ours)
    this.own = new OwnSlots(theirs.slots)
    this.peers = new PeerSlots(ours.slots)
    this.#start = start
    this.#largestFrame = largestFrame
  }

  /** False when every number is taken. */
  open(twoWay: boolean, bytes: number): boolean {
    const stream = new Stream(this, true, twoWay)
    stream.slot = this.own.take(stream)
    if (stream.slot < 0) return false
    this.streams.add(stream)
    stream.sending?.open(this.#start)
    stream.receiving?.open(this.#start)
    stream.pending = bytes
    const first = this.#portion(stream)
    this.#put(stream, 'open', { twoWay, ...first })
    return true
  }

  write(stream: Stream, bytes: number): void {
    if (stream.sending?.state === SendState.open && !stream.endsAfterPending)
      stream.pending += bytes
  }

  end(stream: Stream): void {
    if (stream.sending?.state !== SendState.open) return
    stream.endsAfterPending = true
    this.send(stream)
  }

  /** One frame of what was written, as far as there is room. */
  send(stream: Stream): void {
    if (stream.sending?.state !== SendState.open) return
    const isEnd = stream.endsAfterPending && stream.pending === 0
    if (!isEnd && (stream.pending === 0 || stream.sending.allowance === 0)) return
    this.#put(stream, 'data', this.#portion(stream))
  }

  /** Gives up sending, or answers a STOP. */
  reset(stream: Stream): void {
    const state = stream.sending?.state
    if (stream.sending === undefined) return
    if (state !== SendState.open && state !== SendState.stopped) return
    stream.pending = 0
    this.#put(stream, 'reset', { offset: stream.sending.reset() })
  }

  read(stream: Stream, bytes: number): void {
    const { receiving } = stream
    if (receiving === undefined || stream.isDestroyed) return
    receiving.release(Math.min(bytes, receiving.unread))
  }

  destroy(stream: Stream): void {
    stream.receiving?.discard()
    stream.isDestroyed = true
  }

  /** Sends what is due at the end of a turn: first the frames that are owed, then data. */
  settle(): void {
    const { owing } = this.receiveFlow
    for (let half; (half = owing.take()) !== undefined;) {
      if (half.takeStop()) this.#put(half.owner, 'stop', {})
      const offset = half.takeCredit()
      if (offset < 0) continue
      this.#put(half.owner, 'credit', { offset, last: half.state === ReceiveState.free })
      this.#forgetIfOver(half.owner)
    }
    for (const stream of this.streams) {
      if (stream.sending?.state === SendState.stopped) this.reset(stream)
    }
  }

  take(frame: Frame): void {
    const stream = this.#streamOf(frame)
    expect(stream.id, 'a frame for another stream of that number').toBe(frame.stream)
    const { offset, bytes, last } = frame
    const { sending, receiving } = stream
    if (frame.kind === 'open') {
      receiving?.open(this.#start)
      sending?.open(this.#start)
      receiving?.arrive(offset, bytes, last)
    } else if (frame.kind === 'data') receiving?.arrive(offset, bytes, last)
    else if (frame.kind === 'reset') receiving?.reset(offset)
    else if (frame.kind === 'stop') sending?.stop()
    else if (last) sending?.done(offset)
    else sending?.credit(offset)
    if (frame.kind === 'stop') stream.pending = 0
    this.#forgetIfOver(stream)
  }

  #streamOf({ kind, mine, slot, twoWay, stream: id }: Frame): Stream {
    if (kind !== 'open') return (mine ? this.peers : this.own).find(slot)
    const stream = new Stream(this, false, twoWay, id)
    stream.slot = slot
    this.peers.put(slot, stream)
    this.streams.add(stream)
    return stream
  }

  #forgetIfOver(stream: Stream): void {
    if (!stream.isOver || !this.streams.delete(stream)) return
    if (stream.isMine) this.own.free(stream.slot)
    else this.peers.free(stream.slot)
  }

  #portion(stream: Stream): Pick<Frame, 'offset' | 'bytes' | 'last'> {
    const bytes = Math.min(stream.pending, stream.sending?.allowance ?? 0, this.#largestFrame)
    stream.pending -= bytes
    const last = stream.endsAfterPending && stream.pending === 0
    return { offset: stream.sending?.send(bytes, last) ?? 0, bytes, last }
  }

  #put(stream: Stream, kind: Frame['kind'], rest: Partial<Frame>): void {
    const { slot, isMine: mine, id } = stream
    const frame = { offset: 0, bytes: 0, last: false, twoWay: false, ...rest }
    this.wire.push({ kind, mine, slot, stream: id, ...frame })
  }
}

export class Peers {
  readonly both: readonly [Peer, Peer]

  constructor(a: FlowLimits, b: FlowLimits, start = 0, largestFrame = 64 * 1024) {
    this.both = [new Peer(b, a, start, largestFrame), new Peer(a, b, start, largestFrame)]
  }

  /** The other peer sees the oldest frames of this one. */
  deliver(from: 0 | 1, count: number): void {
    const to = this.both[from === 0 ? 1 : 0]
    for (const frame of this.both[from].wire.splice(0, count)) to.take(frame)
  }

  /** Every sum, at both sides and under way. */
  check(): void {
    this.#checkSums(0, 1)
    this.#checkSums(1, 0)
  }

  /** Readers read, writers end, frames move, until nothing changes. */
  finish(): void {
    for (const peer of this.both) {
      // A few windows are as good as many: of one byte each, many would take long.
      const enough = 3 * peer.sendFlow.limits.window
      for (const stream of peer.streams) stream.pending = Math.min(stream.pending, enough)
    }
    for (let idle = 0; idle < 2;) {
      idle++
      for (const side of [0, 1] as const) {
        const peer = this.both[side]
        for (const stream of peer.streams) {
          peer.read(stream, Infinity)
          stream.endsAfterPending = true
          peer.send(stream)
        }
        peer.settle()
        if (peer.wire.length > 0) idle = 0
        this.deliver(side, Infinity)
      }
      this.check()
    }
  }

  #checkSums(from: 0 | 1, to: 0 | 1): void {
    const sender = this.both[from]
    const receiver = this.both[to]
    const data = sender.wire.filter(({ kind }) => kind === 'open' || kind === 'data')
    const credits = receiver.wire.filter(({ kind }) => kind === 'credit')
    const receiving = new Map<number, Stream>()
    let [held, counted, excess] = [0, 0, 0]
    for (const stream of receiver.streams) {
      if (stream.receiving === undefined) continue
      receiving.set(stream.id, stream)
      if (stream.isDestroyed) expect(stream.receiving.unread, 'held for nobody').toBe(0)
      held += stream.receiving.unread
      counted++
      excess += receiver.receiveFlow.pool.excess(stream.receiving.outstanding)
    }
    expect(receiver.receiveFlow.pool.used).toBe(excess)
    const { guarantee, pool, window } = receiver.receiveFlow.limits
    expect(excess).toBeLessThanOrEqual(pool)
    expect(held).toBeLessThanOrEqual(counted * guarantee + pool)

    let sent = 0
    for (const { id, sending } of sender.streams) {
      if (sending === undefined || sending.state === SendState.free) continue
      sent += sender.sendFlow.pool.excess(sending.outstanding)
      expect(sending.outstanding).toBeLessThanOrEqual(window)
      const known = receiving.get(id)?.receiving?.outstanding ?? 0
      const underWay = data.reduce((sum, { stream, bytes }) => sum + (stream === id ? bytes : 0), 0)
      // The newest credit under way tells what the receiver has reported.
      const newest = credits.findLast(({ stream }) => stream === id)
      const reported =
        newest === undefined ? 0 : (newest.offset - sending.offset + sending.outstanding) >>> 0
      expect(known + underWay + reported, 'the sums of both sides').toBe(sending.outstanding)
    }
    expect(sender.sendFlow.pool.used).toBe(sent)
    expect(sent).toBeLessThanOrEqual(pool)
  }
}
