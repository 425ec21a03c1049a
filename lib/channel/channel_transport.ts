import { errnoOf, SluiceError, systemError } from '../core/errors.js'
import type { Producer } from '../ring/producer.js'
import type { Outbox } from '../transport/outbox.js'
import { Connection } from '../transport/connection.js'
import type { Peer } from '../transport/peer.js'
import type { Closable, Transport, TransportEvents } from '../transport/transport.js'
import { CargoLane, ChannelCargo, channelCargo } from './cargo_lane.js'
import type { ChannelEnds } from './channel_ends.js'
import { ChannelReader, type RecordTaker } from './channel_reader.js'
import { ChannelWriter } from './channel_writer.js'
import type { Control, ControlListener } from './control.js'
import type { ControlMessage } from './control_message.js'
import { ChunkTaker } from './chunk_taker.js'
import { incomingRecords, type IncomingRecords } from './incoming_records.js'
import { numberSize, RecordType } from './record_type.js'

/** Sends records of its own beside the stream; see {@link ChannelTransport.carry}. */
export interface RecordSender {
  /** No more will be sent: `sent` is to be called when everything before has gone. */
  finish(sent: () => void): void
}

/** Moves the bytes of a channel: by the rings, while the control connection tells of the peer's life. */
export class ChannelTransport implements Transport {
  readonly keepsBoundaries = false
  readonly cargo = channelCargo
  readonly seesEnd = true
  readonly writer: ChannelWriter
  readonly #control: Control
  readonly #ends: ChannelEnds
  readonly records: IncomingRecords
  readonly #reader: ChannelReader
  readonly #lane: CargoLane
  #sender: RecordSender | undefined
  #events: TransportEvents | undefined
  #ref = true
  #bytesRead = 0
  /** How many wait for room in the ring. */
  #waiting = 0
  /** The stream is among them. */
  #blocked = false
  /** Descriptors are on their way to the control connection. */
  #sendsCargo: AbortController | undefined
  #roomWait: AbortController | undefined
  #peerGone = false
  #open = true

  constructor(control: Control, ends: ChannelEnds) {
    this.#control = control
    this.#ends = ends
    this.writer = new ChannelWriter(ends.producer, ends.maxRecordLength)
    this.#lane = new CargoLane(control)
    this.records = incomingRecords(ends.consumer)
    const chunks = new ChunkTaker(this.records, {
      chunk: (data, received) => {
        this.#bytesRead += data.length
        return this.#events?.chunk(data, received) ?? false
      },
      cargo: (number) => this.takeCargo(number),
    })
    this.#reader = new ChannelReader(ends.consumer, chunks, {
      over: () => {
        this.#over()
      },
      failed: (error) => {
        this.#events?.lost(error)
      },
    })
    // It tells of the peer's end, and does not keep the process alive for it.
    control.connection.unref()
    const listener = new WeakListener(this)
    // Not before the channel is made, which what has come already may end.
    queueMicrotask(() => {
      control.listen(listener)
    })
  }

  attach(events: TransportEvents): void {
    this.#events = events
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** The writing end of the ring. */
  get producer(): Producer {
    return this.#ends.producer
  }

  /** Bytes of the longest record that can be written. */
  get maxRecordLength(): number {
    return this.#ends.maxRecordLength
  }

  get peer(): Peer {
    return this.#control.connection.peer
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  get bytesWritten(): number {
    return this.writer.bytesWritten
  }

  get ref(): boolean {
    return this.#ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
    this.#reader.ref = ref
    if (ref) this.#ends.producer.ref()
    else this.#ends.producer.unref()
  }

  // Reading.

  readonly mayHaveMore = true

  read(): void {
    this.#reader.read()
  }

  readNow(): void {
    this.#reader.readNow()
  }

  pause(): void {
    this.#reader.pause()
  }

  awaitEnd(): void {
    this.#reader.awaitEnd()
  }

  /** Everything that came before the end was taken. */
  #over(): void {
    if (this.#ends.peerHasEnded) this.#events?.end()
    else this.#events?.lost(this.#died())
  }

  /** The descriptors of a record; undefined while they are on their way, which keeps the process alive. */
  takeCargo(number: number): readonly Closable[] | undefined {
    const received = this.#lane.take(number)
    const { connection } = this.#control
    if (received === undefined && this.#ref) connection.ref()
    else connection.unref()
    return received
  }

  // Writing.

  checkMessage(length: number, hasCargo: boolean): void {
    if (length > 0 || !hasCargo) return
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      'bytes must not be empty: descriptors need a byte to travel with',
    )
  }

  tryWrite(bytes: Uint8Array, cargo: unknown): number | 'later' {
    if (cargo !== undefined) return 'later'
    this.requirePeer()
    const count = this.writer.write(bytes)
    return count === 0 && bytes.byteLength > 0 ? 'later' : count
  }

  write(outbox: Outbox): void {
    if (this.#blocked) {
      // The send that waited for room may have been cancelled.
      if (!outbox.next()) this.stopWaitingForRoom()
      return
    }
    if (this.#sendsCargo !== undefined) return
    try {
      while (outbox.next()) {
        if (this.#peerHasGone()) throw this.#gone()
        if (outbox.cargo instanceof ChannelCargo && outbox.offset === 0) {
          void this.#sendCargo(outbox, outbox.cargo)
          return
        }
        const count = this.writer.writeChunks(outbox)
        if (count === undefined) {
          void this.#writeLater(outbox)
          return
        }
        outbox.wrote(count)
        if (!this.#open) return
      }
    } catch (error) {
      if (!outbox.refuse(error as Error)) this.#events?.lost(error as Error)
    }
  }

  interruptWrite(): boolean {
    this.#sendsCargo?.abort()
    return this.#sendsCargo !== undefined
  }

  endWriting(done: () => void): void {
    const end = () => {
      this.#ends.producer.close()
      done()
    }
    if (this.#sender === undefined) end()
    else this.#sender.finish(end)
  }

  async #writeLater(outbox: Outbox): Promise<void> {
    this.#blocked = true
    const wanted = this.writer.wanted(outbox.first.byteLength - outbox.offset)
    await this.waitForRoom(wanted)
    this.#blocked = false
    if (this.#open) this.write(outbox)
  }

  /** The descriptors first, so that a record never waits for long. */
  async #sendCargo(outbox: Outbox, cargo: ChannelCargo): Promise<void> {
    this.#sendsCargo = new AbortController()
    let number: number
    try {
      number = await this.#lane.send(cargo, this.#sendsCargo.signal)
    } catch (error) {
      this.#sendsCargo = undefined
      if (this.#open && !outbox.interrupted()) this.#events?.lost(error as Error)
      return
    }
    try {
      const length = Math.min(outbox.first.byteLength, this.writer.longestRecord - numberSize)
      const bytes = outbox.first.subarray(0, length)
      while (!this.writer.writeNumbered(RecordType.cargo, number, bytes)) {
        await this.#ends.producer.ready(numberSize + length)
      }
      this.#sendsCargo = undefined
      this.writer.bytesWritten += length
      outbox.wrote(length)
    } catch (error) {
      this.#sendsCargo = undefined
      if (this.#open) this.#events?.lost(this.#peerGone ? this.#gone() : (error as Error))
      return
    }
    if (this.#open) this.write(outbox)
  }

  // Whole records, for what carries messages.

  /**
   * From here on the records that come are the taker's, and the end of the stream waits for the sender.
   */
  carry(taker: RecordTaker, sender: RecordSender): void {
    this.#reader.taker = taker
    this.#sender = sender
  }

  /** So many bytes of records have come and gone. */
  progressed(read: number, written: number): void {
    this.#bytesRead += read
    this.writer.bytesWritten += written
    this.#events?.progressed()
  }

  /** The connection cannot go on. */
  lost(error: unknown): void {
    if (this.#open) this.#events?.lost(error as Error)
  }

  /** @throws when nobody will read what is written, of which the connection is told. */
  requirePeer(): void {
    if (!this.#peerHasGone()) return
    const error = this.#gone()
    this.lost(error)
    throw error
  }

  /** Resolves when a record of so many bytes fits. If it never will, the connection is told so. */
  async waitForRoom(length: number): Promise<void> {
    const wait = (this.#roomWait = new AbortController())
    this.#waiting++
    try {
      await this.#ends.producer.ready(length, { signal: wait.signal })
    } catch (error) {
      // Closing fails the wait, too.
      if (this.#open && !wait.signal.aborted) this.lost(this.#peerHasGone() ? this.#gone() : error)
    }
    this.#waiting--
    this.#roomWait = undefined
  }

  /** Ends that wait at once: it keeps the process alive. */
  stopWaitingForRoom(): void {
    this.#roomWait?.abort()
  }

  /** The number of the descriptors, when the system has them; undefined: the connection is over. */
  async sendCargo(cargo: ChannelCargo): Promise<number | undefined> {
    try {
      return await this.#lane.send(cargo)
    } catch (error) {
      this.lost(error)
      return undefined
    }
  }

  // The peer.

  /** Whether nobody will read what is written. */
  #peerHasGone(): boolean {
    return this.#peerGone || this.#ends.peerHasLeft
  }

  /** Descriptors have come. Returns whether more may come. */
  controlCame(message: ControlMessage): boolean {
    if (!this.#open) return false
    const mayCome = this.#lane.add(message)
    this.#reader.cargoCame()
    this.#ends.bells?.lookAround()
    return mayCome
  }

  /** The control connection has ended, which only the peer's end can be, or failed. */
  controlEnded(failure: unknown): void {
    if (!this.#open) return
    this.#peerGone = true
    if (failure instanceof SluiceError && failure.code === 'ERR_SLUICE_CORRUPT') {
      this.#events?.lost(failure)
      return
    }
    this.#reader.peerIsGone()
    if (this.#waiting > 0) this.#events?.lost(this.#gone())
  }

  /** For writes: the system's name for it, as on a socket. */
  #gone(): SluiceError {
    if (this.#ends.peerHasLeft || this.#ends.peerHasEnded) {
      return systemError('cannot write to the channel', 'write', errnoOf('EPIPE'), {
        hint: 'the peer has closed it',
      })
    }
    return this.#died()
  }

  #died(): SluiceError {
    const { pid } = this.peer
    return new SluiceError(
      'ERR_SLUICE_PEER_DIED',
      `the process at the other end of the channel, ${String(pid)}, is gone without having closed`,
      { pid },
    )
  }

  close(): void {
    this.#open = false
    this.#sendsCargo?.abort()
    this.#reader.close()
    this.#lane.close()
    this.#ends.close()
    Connection.whenClosed(this.#control.connection, {
      left: () => {
        this.#events?.closed()
      },
    })
    this.#control.close()
  }
}

/**
 * Hears the control connection for a channel. Weakly: it is always read, and a channel that was dropped
 * without `close` is to be found out.
 */
class WeakListener implements ControlListener {
  readonly #transport: WeakRef<ChannelTransport>

  constructor(transport: ChannelTransport) {
    this.#transport = new WeakRef(transport)
  }

  came(message: ControlMessage): boolean {
    return this.#transport.deref()?.controlCame(message) ?? false
  }

  ended(failure: unknown): void {
    this.#transport.deref()?.controlEnded(failure)
  }
}
