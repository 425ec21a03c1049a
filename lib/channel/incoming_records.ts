import type { Consumer } from '../ring/consumer.js'
import { Endpoint } from '../ring/endpoint.js'
import { recordSize } from '../ring/layout.js'
import { slab } from '../socket/slab.js'

/** Payloads are gathered up to so many bytes; longer ones have memory of their own. */
const largestGathered = 2 ** 15
const nothing = Buffer.alloc(0)

/** The records of a peer, one after the other, and their payloads as copies. */
export interface IncomingRecords {
  /** Finds the next record, which stays until `release`: the bytes of its payload, or -1. */
  next(): number
  /** Whether a record is there. */
  readonly isThere: boolean
  /** The type of the record that was found. */
  readonly type: number
  /** The number (u32) in the first bytes of its payload, which has them. */
  number(): number
  /** Its payload from this byte on. The bytes are there after `settle`. */
  copy(from: number): Buffer
  /** Copies its payload from this byte on to `target`, at `at`. */
  copyTo(target: Buffer, at: number, from: number): void
  /** The payloads of this record and of those of its type behind it that fit, released, as one buffer. */
  join(): Buffer
  /** Steps over the record. */
  release(): void
  /** Completes the copies, and gives the room of what was released back. */
  settle(): void
}

export function incomingRecords(consumer: Consumer): IncomingRecords {
  const isMapped = Endpoint.memoryOf(consumer) !== undefined
  return isMapped ? new MappedRecords(consumer) : new CopiedRecords(consumer)
}

/**
 * Straight from the ring. Records that lie behind one another are copied together, their headers among
 * them: a call for each would cost more than the bytes of a short one.
 */
class MappedRecords implements IncomingRecords {
  readonly #consumer: Consumer
  #length = 0
  /** Bytes of the ring's data that are still to be copied. */
  #begin = 0
  #end = 0
  /** Bytes that have a place in the slab. */
  #room = 0

  constructor(consumer: Consumer) {
    this.#consumer = consumer
  }

  next(): number {
    return (this.#length = this.#consumer.peek())
  }

  get isThere(): boolean {
    return this.#consumer.peek() >= 0
  }

  get type(): number {
    return this.#consumer.type
  }

  number(): number {
    return this.#consumer.view.getUint32(this.#consumer.offset, true)
  }

  copy(from: number): Buffer {
    const { offset } = this.#consumer
    const begin = offset + from
    const end = offset + this.#length
    if (end - begin > largestGathered) {
      const data = Buffer.allocUnsafeSlow(end - begin)
      this.copyTo(data, 0, from)
      return data
    }
    if (this.#room === 0 || begin < this.#end || end - this.#begin > this.#room) {
      this.#complete()
      this.#room = slab.room(end - begin)
      this.#begin = begin
    }
    this.#end = end
    return slab.piece(begin - this.#begin, end - begin)
  }

  copyTo(target: Buffer, at: number, from: number): void {
    const { bytes, offset } = this.#consumer
    bytes.copy(target, at, offset + from, offset + this.#length)
  }

  join(): Buffer {
    const { type } = this
    let length = this.#length
    if (length > largestGathered) {
      const data = this.copy(0)
      this.#consumer.release()
      return data
    }
    const room = slab.room(length)
    let count = 0
    let taken = 0
    do {
      this.copyTo(slab.buffer, slab.offset + count, 0)
      count += length
      taken += recordSize(length) // or a ring full of empty records would never end
      this.#consumer.release()
      length = this.next()
    } while (
      length >= 0 &&
      count + length <= room &&
      taken <= largestGathered &&
      this.type === type
    )
    return slab.take(count)
  }

  release(): void {
    this.#consumer.skip()
  }

  settle(): void {
    this.#complete()
    this.#consumer.giveBack()
  }

  #complete(): void {
    if (this.#room === 0) return
    this.#consumer.bytes.copy(slab.buffer, slab.offset, this.#begin, this.#end)
    slab.take(this.#end - this.#begin)
    this.#room = 0
  }
}

/** Where the runtime forbids views of the ring: native code has copied each. */
class CopiedRecords implements IncomingRecords {
  readonly #consumer: Consumer
  #payload: Buffer | undefined

  constructor(consumer: Consumer) {
    this.#consumer = consumer
  }

  next(): number {
    this.#payload ??= this.#consumer.tryRead()
    return this.#payload?.length ?? -1
  }

  get isThere(): boolean {
    return this.next() >= 0
  }

  get type(): number {
    return this.#consumer.type
  }

  number(): number {
    return this.copy(0).readUInt32LE(0)
  }

  copy(from: number): Buffer {
    return (this.#payload ?? nothing).subarray(from)
  }

  copyTo(target: Buffer, at: number, from: number): void {
    this.copy(from).copy(target, at)
  }

  join(): Buffer {
    const data = this.copy(0)
    this.release()
    return data
  }

  release(): void {
    this.#payload = undefined
  }

  settle(): void {
    // Room was given back with each copy.
  }
}
