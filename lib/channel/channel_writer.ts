import { lostMemory } from '../core/arguments.js'
import { Endpoint } from '../ring/endpoint.js'
import type { Producer } from '../ring/producer.js'
import type { Outbox } from '../transport/outbox.js'
import { numberSize, RecordType } from './record_type.js'

/** Bytes of one record of the stream: the peer can copy one out while the next is written. */
const largestRecord = 65536
/** Shorter pieces of a chunk are not worth a record of their own: rather wait for room. */
const shortestPiece = 1024

/** Writes the bytes of an outbox into a ring, as few large records. */
export class ChannelWriter {
  readonly #producer: Producer
  readonly #longest: number
  readonly #isMapped: boolean
  bytesWritten = 0

  constructor(producer: Producer, maxMessageLength: number) {
    this.#producer = producer
    this.#longest = Math.min(largestRecord, maxMessageLength)
    this.#isMapped = Endpoint.memoryOf(producer) !== undefined
  }

  /** The bytes of the next record that were not written for want of room. */
  wanted(left: number): number {
    return Math.min(left, shortestPiece, this.#longest)
  }

  /** Writes the bytes for which there is room, and returns how many. */
  write(bytes: Uint8Array): number {
    const { byteLength } = bytes
    let done = 0
    while (done < byteLength) {
      let length: number
      try {
        length = this.#reserveOrCopy(bytes, done, byteLength - done)
      } catch (error) {
        if (done === 0) throw error
        break // a part has gone: its owner finds out what became of the rest
      }
      if (length === 0) break
      done += length
    }
    this.bytesWritten += done
    return done
  }

  /**
   * Writes the first bytes of the outbox, chunks of one queue together in one record. Returns how many;
   * undefined when there is no room.
   */
  writeChunks(outbox: Outbox): number | undefined {
    const { chunks, index, end, offset } = outbox
    if (!this.#isMapped || end - index === 1) {
      const bytes = offset === 0 ? outbox.first : outbox.first.subarray(offset)
      const count = this.write(bytes)
      return count === 0 && bytes.byteLength > 0 ? undefined : count
    }
    let left = -offset
    for (let i = index; i < end && left < this.#longest; i++) left += chunks[i].byteLength
    if (left === 0) return 0
    const length = this.#reserve(left)
    if (length === 0) return undefined
    let done = 0
    let from = offset
    for (let i = index; done < length; i++) {
      const count = Math.min(chunks[i].byteLength - from, length - done)
      this.#put(chunks[i], from, count, done)
      done += count
      from = 0
    }
    this.#producer.commit()
    this.bytesWritten += length
    return length
  }

  /** A record of the bytes behind a number (u32), as a whole; false when there is no room. */
  writeNumbered(type: number, number: number, bytes: Uint8Array): boolean {
    const producer = this.#producer
    const { byteLength } = bytes
    if (!this.#isMapped) {
      const record = Buffer.allocUnsafe(numberSize + byteLength)
      record.writeUInt32LE(number)
      record.set(bytes, numberSize)
      return producer.tryWrite(record, type)
    }
    if (!producer.tryReserve(numberSize + byteLength, type)) return false
    producer.view.setUint32(producer.offset, number, true)
    this.#put(bytes, 0, byteLength, numberSize)
    producer.commit()
    return true
  }

  get longestRecord(): number {
    return this.#longest
  }

  #reserveOrCopy(bytes: Uint8Array, from: number, left: number): number {
    if (!this.#isMapped) return this.#copy(bytes, from, left)
    const length = this.#reserve(left)
    if (length === 0) return 0
    this.#put(bytes, from, length, 0)
    this.#producer.commit()
    return length
  }

  /** Into the reserved record. The piece has a length of its own, however the bytes grow or shrink. */
  #put(bytes: Uint8Array, from: number, length: number, at: number): void {
    const producer = this.#producer
    try {
      const piece = bytes.subarray(from, from + length)
      if (piece.byteLength !== length) throw lostMemory()
      producer.bytes.set(piece, producer.offset + at)
    } catch (error) {
      producer.abort()
      throw error
    }
  }

  /** The bytes that were reserved, of so many that are left; 0 when there is too little room. */
  #reserve(left: number): number {
    return this.#fitting(left, (length) => this.#producer.tryReserve(length, RecordType.bytes))
  }

  /** Where the runtime forbids views of the ring. */
  #copy(bytes: Uint8Array, from: number, left: number): number {
    return this.#fitting(left, (length) =>
      this.#producer.tryWrite(bytes.subarray(from, from + length)),
    )
  }

  /** The longest piece of so many bytes with which `attempt` succeeds; 0 when even a short one does not fit. */
  #fitting(left: number, attempt: (length: number) => boolean): number {
    let length = Math.min(left, this.#longest)
    const least = Math.min(length, shortestPiece)
    while (!attempt(length)) {
      if (length <= least) return 0
      length = Math.max(least, length >> 1)
    }
    return length
  }
}
