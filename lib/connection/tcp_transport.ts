import type { Socket } from 'node:net'

import type { Outbox } from '../transport/outbox.js'
import type { Peer } from '../transport/peer.js'
import type { Transport, TransportEvents } from '../transport/transport.js'
import { tcpError } from './tcp_errors.js'

/** Bytes that are given to the socket at once: what is written is told in steps of this size. */
const mostAtOnce = 262144

/** Nobody tells who is at the other end of TCP. */
const unknownPeer: Peer = Object.freeze({ user: undefined, sameUser: false })

/**
 * The listeners of a socket. Node's own socket lives until it is closed; a connection that was dropped
 * is to be found out all the same. So the transport is held only while something is under way.
 */
class Link {
  readonly #weak: WeakRef<TcpTransport>
  #strong: TcpTransport | undefined

  constructor(transport: TcpTransport) {
    this.#weak = new WeakRef(transport)
  }

  get transport(): TcpTransport | undefined {
    return this.#weak.deref()
  }

  hold(isBusy: boolean): void {
    this.#strong = isBusy ? this.transport : undefined
  }

  get holds(): boolean {
    return this.#strong !== undefined
  }
}

/**
 * A socket of Node's, paused, and with `allowHalfOpen`. Chunks go through its streams without being
 * kept there: it reads while they are wanted (and one chunk more), and is given the next to write when
 * the system has the one before.
 */
export class TcpTransport implements Transport {
  readonly keepsBoundaries = false
  readonly cargo = undefined
  readonly peer = unknownPeer
  readonly #socket: Socket
  readonly #link: Link
  #events: TransportEvents | undefined
  #ref = true
  /** Chunks are wanted. */
  #reading = false
  #awaitsEnd = false
  #outbox: Outbox | undefined
  /** Bytes that the socket was given to write. */
  #underWay: number | undefined
  #bytesRead = 0
  #bytesWritten = 0
  #open = true

  constructor(socket: Socket) {
    this.#socket = socket
    const link = new Link(this)
    this.#link = link
    socket.on('data', (data) => link.transport?.onData(data))
    socket.on('end', () => link.transport?.onEnd())
    socket.on('error', (error) => link.transport?.onError(error))
    socket.on('close', () => link.transport?.onClose())
  }

  attach(events: TransportEvents): void {
    this.#events = events
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  get bytesWritten(): number {
    return this.#bytesWritten
  }

  get ref(): boolean {
    return this.#ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
    if (ref) this.#socket.ref()
    else this.#socket.unref()
  }

  // Reading.

  read(): void {
    this.#reading = true
    this.#holdWhileBusy()
    this.#socket.resume()
  }

  pause(): void {
    this.#reading = false
    if (!this.#awaitsEnd) this.#socket.pause()
    this.#holdWhileBusy()
  }

  awaitEnd(): void {
    this.#awaitsEnd = true
    this.#holdWhileBusy()
    this.#socket.resume()
  }

  /** The listeners' call. */
  onData(data: Buffer): void {
    if (!this.#open) return
    this.#bytesRead += data.length
    this.#awaitsEnd = false
    this.#reading = this.#events?.chunk(data) === true
    if (!this.#reading && !this.#waitsForEnd()) this.#socket.pause()
    this.#holdWhileBusy()
  }

  /** The listeners' call. */
  onEnd(): void {
    this.#reading = false
    this.#awaitsEnd = false
    this.#holdWhileBusy()
    if (this.#open) this.#events?.end()
  }

  /** The listeners' call. */
  onError(error: Error): void {
    if (this.#open) this.#events?.lost(tcpError('the connection is lost', error))
  }

  /** The listeners' call. */
  onClose(): void {
    this.#link.hold(false)
    if (!this.#open) this.#events?.closed()
  }

  // Writing.

  write(outbox: Outbox): void {
    this.#outbox = outbox
    // The write that is under way goes on with what is there by then.
    while (this.#isOpen() && this.#underWay === undefined && outbox.next()) {
      if (outbox.first.byteLength === outbox.offset) outbox.wrote(0)
      else this.#give(outbox)
    }
    this.#holdWhileBusy()
  }

  #give(outbox: Outbox): void {
    const pieces: Uint8Array[] = []
    let length = 0
    for (let i = outbox.index; i < outbox.end && length < mostAtOnce; i++) {
      const chunk = i === outbox.index ? outbox.chunks[i].subarray(outbox.offset) : outbox.chunks[i]
      const piece = chunk.subarray(0, mostAtOnce - length)
      length += piece.byteLength
      pieces.push(piece)
    }
    this.#underWay = length
    // In one call of the system.
    this.#socket.cork()
    for (const piece of pieces.splice(0, pieces.length - 1)) this.#socket.write(piece)
    this.#socket.write(pieces[0], this.#written)
    this.#socket.uncork()
  }

  readonly #written = (error?: Error | null): void => {
    const length = this.#underWay
    this.#underWay = undefined
    // The error itself is an event of the socket.
    if (!this.#open || length === undefined || (error !== undefined && error !== null)) return
    this.#bytesWritten += length
    this.#outbox?.wrote(length)
    // Callers that waited for these bytes come first: they may close the connection.
    queueMicrotask(this.#writeOn)
  }

  readonly #writeOn = (): void => {
    if (this.#open && this.#outbox !== undefined) this.write(this.#outbox)
  }

  /** The socket gives nothing back, and does not tell how much of it has gone. */
  interruptWrite(): boolean {
    if (this.#underWay === undefined) return false
    process.nextTick(() => {
      if (this.#open && this.#underWay !== undefined) this.#outbox?.interrupted()
    })
    return true
  }

  endWriting(done: () => void): void {
    this.#socket.end(done)
  }

  close(): void {
    this.#open = false
    this.#outbox = undefined
    if (this.#socket.closed) {
      this.#events?.closed()
      return
    }
    this.#link.hold(true)
    this.#socket.destroy()
  }

  #holdWhileBusy(): void {
    if (!this.#open) return
    const isBusy = this.#reading || this.#awaitsEnd || this.#underWay !== undefined
    if (isBusy !== this.#link.holds) this.#link.hold(isBusy)
  }

  /** A function, because listeners may change it between two looks. */
  #waitsForEnd(): boolean {
    return this.#awaitsEnd
  }

  /** A function, because listeners may close it between two looks. */
  #isOpen(): boolean {
    return this.#open
  }
}
