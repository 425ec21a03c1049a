import { channelCargo, type ChannelCargo } from '../channel/cargo_lane.js'
import type { ChannelTransport, RecordSender } from '../channel/channel_transport.js'
import { numberSize, RecordType } from '../channel/record_type.js'
import { lostMemory } from '../core/arguments.js'
import { Operation } from '../core/operation.js'
import { mayGoOn, untilNextTurn } from '../core/turn.js'
import { promised, type WaitOptions } from '../core/wait_options.js'
import { maxWaiting, queueFull } from '../core/wait_queue.js'
import { Producer } from '../ring/producer.js'
import type { RecordWriter } from '../ring/record_writer.js'
import { recordHeaderSize, recordSize } from '../ring/layout.js'
import { cancelledMidway } from '../transport/outbox.js'

/** Bytes of one part: the peer can copy one out while the next is written. */
const largestPart = 65536
const nothing = new Uint8Array(0)

/** Messages of one send, and how far they are written. */
interface Batch {
  readonly payloads: readonly Uint8Array[]
  /** Bytes that each had when it was sent; undefined while that is now. */
  lengths?: readonly number[]
  /** The first that is not written whole. */
  index: number
  /** Bytes of it that are. */
  offset: number
  /** The number of descriptors that no record has named yet. */
  cargoNumber?: number | undefined
  /** Something has gone already, so the rest must follow. */
  started: boolean
}

/** A send that waits, or is under way. */
interface Send {
  readonly operation: Operation
  readonly batch: Batch
  readonly cargo: ChannelCargo | undefined
}

/**
 * Writes messages into a channel's ring, each as one record, or as several parts where it is longer than a
 * record can be. The messages of one send are published together, as far as there is room for them.
 */
export class MessageWriter implements RecordSender {
  readonly #transport: ChannelTransport
  readonly #longest: number
  readonly #longestPart: number
  readonly #sends: Send[] = []
  /** Bytes of records that were written, and that nobody was told of. */
  #written = 0
  #waitsForRoom = false
  #sendsCargo = false
  /** Told when all sends are done, of which there are no more. */
  #finished: (() => void) | undefined

  constructor(transport: ChannelTransport) {
    this.#transport = transport
    this.#longest = transport.maxRecordLength
    this.#longestPart = Math.min(largestPart, this.#longest - numberSize)
  }

  /**
   * Resolves when all of them are in the ring. The numbers are of descriptors that go with the first.
   *
   * @throws (rejects) as `Connection.send`
   */
  send(
    payloads: readonly Uint8Array[],
    numbers: readonly number[] | undefined,
    options: WaitOptions,
  ): Promise<void> {
    if (this.#sends.length >= maxWaiting) return Promise.reject(queueFull('sends'))
    return promised(() => {
      const batch: Batch = { payloads, index: 0, offset: 0, started: false }
      if (numbers === undefined && this.#sends.length === 0) {
        this.#transport.requirePeer()
        if (this.#write(batch)) return mayGoOn() ? Promise.resolve() : untilNextTurn()
      }
      return this.#queue(batch, numbers, options)
    })
  }

  /** A sign of life, unless what waits is one as soon as there is room. */
  beat(): void {
    if (this.#sends.length > 0) return
    try {
      const { producer } = this.#transport
      if (producer.tryWrite(nothing, RecordType.beat)) this.#written += recordHeaderSize
      this.#tellWritten()
    } catch (error) {
      this.#transport.lost(error)
    }
  }

  finish(sent: () => void): void {
    this.#finished = sent
    this.#goOn()
  }

  /** Rejects all that wait: the connection is over. */
  fail(reason: Error): void {
    this.#finished = undefined
    for (const send of [...this.#sends]) this.#reject(send, reason)
  }

  // The queue.

  #queue(
    batch: Batch,
    numbers: readonly number[] | undefined,
    options: WaitOptions,
  ): Promise<void> {
    batch.lengths = batch.payloads.map(({ byteLength }) => byteLength)
    const operation = new Operation<void>(
      'send',
      options,
      (_, reason) => {
        this.#cancel(send, reason)
      },
      this.#transport.ref,
    )
    const cargo = numbers === undefined ? undefined : channelCargo.keep(numbers)
    const send: Send = { operation, batch, cargo: cargo as ChannelCargo | undefined }
    this.#sends.push(send)
    if (this.#sends.length === 1) this.#goOn()
    return operation.promise
  }

  /** Writes what waits, as far as there is room. */
  #goOn(): void {
    while (this.#transport.isOpen && !this.#sendsCargo) {
      const send = this.#sends.at(0)
      if (send === undefined) {
        this.#finished?.()
        return
      }
      try {
        this.#transport.requirePeer()
        if (send.cargo !== undefined && !send.batch.started) {
          void this.#sendCargo(send.batch, send.cargo)
          return
        }
        if (!this.#write(send.batch)) {
          void this.#waitForRoom(send.batch)
          return
        }
        this.#resolve(send)
      } catch (error) {
        this.#reject(send, error)
      }
    }
  }

  async #waitForRoom(batch: Batch): Promise<void> {
    if (this.#waitsForRoom) return
    this.#waitsForRoom = true
    await this.#transport.waitForRoom(this.#wanted(batch))
    this.#waitsForRoom = false
    this.#goOn()
  }

  /** The descriptors go first, so that the record that names them never waits for long. */
  async #sendCargo(batch: Batch, cargo: ChannelCargo): Promise<void> {
    this.#sendsCargo = true
    batch.started = true
    batch.cargoNumber = await this.#transport.sendCargo(cargo)
    this.#sendsCargo = false
    this.#goOn()
  }

  #cancel(send: Send, reason: unknown): void {
    const isFirst = this.#sends.at(0) === send
    this.#reject(send, reason)
    if (send.batch.started) this.#transport.lost(cancelledMidway(reason))
    // Not at once: the same signal may cancel what comes next, of which nothing must have gone by then.
    else if (isFirst) {
      queueMicrotask(() => {
        if (this.#sends.length === 0) this.#transport.stopWaitingForRoom()
        this.#goOn()
      })
    }
  }

  #resolve(send: Send): void {
    this.#remove(send)
    const { operation } = send
    if (mayGoOn()) operation.resolve()
    else {
      void untilNextTurn().then(() => {
        operation.resolve()
      })
    }
  }

  #reject(send: Send, reason: unknown): void {
    this.#remove(send)
    send.operation.reject(reason)
  }

  #remove(send: Send): void {
    const index = this.#sends.indexOf(send)
    if (index >= 0) this.#sends.splice(index, 1)
    send.cargo?.settled()
  }

  // The ring.

  /** Writes as much as there is room for. Whether that is all. */
  #write(batch: Batch): boolean {
    try {
      return this.#writeTogether(batch)
    } catch (error) {
      if (batch.started) this.#transport.lost(error)
      throw error
    }
  }

  /** What is written is published at once. */
  #writeTogether(batch: Batch): boolean {
    const { payloads } = batch
    const { producer } = this.#transport
    const ring = Producer.writerOf(producer)
    const isCorked = payloads.length > 1 || batch.cargoNumber !== undefined
    if (isCorked) producer.cork()
    try {
      if (!this.#writeCargo(batch)) return false
      while (batch.index < payloads.length) {
        if (!this.#writeMessage(ring, batch, payloads[batch.index])) return false
        batch.index++
        batch.offset = 0
      }
      return true
    } finally {
      if (this.#written > 0) batch.started = true
      this.#tellWritten()
      if (isCorked) producer.uncork()
    }
  }

  #writeCargo(batch: Batch): boolean {
    if (batch.cargoNumber === undefined) return true
    const { writer } = this.#transport
    if (!writer.writeNumbered(RecordType.cargo, batch.cargoNumber, nothing)) return false
    batch.cargoNumber = undefined
    this.#written += recordHeaderSize + numberSize
    return true
  }

  #writeMessage(ring: RecordWriter, batch: Batch, payload: Uint8Array): boolean {
    const { byteLength } = payload
    if (batch.lengths !== undefined && byteLength !== batch.lengths[batch.index]) throw lostMemory()
    if (batch.offset === 0 && byteLength <= this.#longest) return this.#writeLast(ring, payload)
    const { writer } = this.#transport
    for (;;) {
      const end = batch.offset + this.#longestPart
      const part = payload.subarray(batch.offset, end)
      if (end >= byteLength) return this.#writeLast(ring, part)
      if (!writer.writeNumbered(RecordType.part, byteLength - end, part)) return false
      batch.offset = end
      this.#written += recordHeaderSize + numberSize + part.byteLength
    }
  }

  #writeLast(ring: RecordWriter, bytes: Uint8Array): boolean {
    if (!ring.tryWrite(bytes, RecordType.message)) return false
    this.#written += recordHeaderSize + bytes.byteLength
    return true
  }

  #tellWritten(): void {
    this.#transport.progressed(0, this.#written)
    this.#written = 0
  }

  /** Bytes of room to wait for: enough for the next record, and where more follow not for each anew. */
  #wanted({ payloads, index, offset }: Batch): number {
    const left = payloads[index].byteLength - offset
    const next = Math.min(left, left > this.#longest ? numberSize + this.#longestPart : left)
    const most = Math.max(next, this.#longest >> 2)
    let wanted = next
    for (let i = index + 1; i < payloads.length && wanted < most; i++) {
      wanted += recordSize(payloads[i].byteLength)
    }
    return Math.min(wanted, most)
  }
}
