/**
 * Streams by their numbers. The opener of a stream takes a number that is free, from 0 to `size - 1`, so that
 * the range is the limit on streams, and numbers never run out. It is free again when each direction of the
 * stream is `free`: at the opener when DONE has come for what it sends, and when it has sent DONE for what it
 * receives, if the stream goes both ways.
 *
 * Each peer numbers its own streams; the flag MINE of a frame tells whose numbering is meant.
 */
import { fault, violation } from './violation.js'

abstract class Slots<Stream> {
  readonly size: number
  protected readonly streams: (Stream | undefined)[]
  #count = 0

  constructor(size: number) {
    this.size = size
    this.streams = new Array<Stream | undefined>(size).fill(undefined)
  }

  /** How many streams there are. */
  get count(): number {
    return this.#count
  }

  /**
   * The stream that a frame from the peer is about.
   *
   * @throws `ERR_SLUICE_CORRUPT` when there is none
   */
  find(slot: number): Stream {
    const stream = this.streams[slot]
    if (stream === undefined)
      throw violation(`a frame for stream ${String(slot)}, which is not open`)
    return stream
  }

  /** The slot is free again. */
  free(slot: number): void {
    if (this.streams[slot] === undefined) throw fault('DONE for a stream that is not open')
    this.streams[slot] = undefined
    this.#count--
  }

  protected set(slot: number, stream: Stream): void {
    this.streams[slot] = stream
    this.#count++
  }
}

/** The streams that this side has opened. */
export class OwnSlots<Stream> extends Slots<Stream> {
  /** Numbers from here on were never taken. */
  #untouched = 0
  readonly #freed: number[] = []

  /** Gives the stream a number, one used before if it can; -1 when all are taken. */
  take(stream: Stream): number {
    const slot = this.#freed.pop() ?? (this.#untouched < this.size ? this.#untouched++ : -1)
    if (slot >= 0) this.set(slot, stream)
    return slot
  }

  override free(slot: number): void {
    super.free(slot)
    this.#freed.push(slot)
  }
}

/** The streams that the peer has opened. */
export class PeerSlots<Stream> extends Slots<Stream> {
  /** @throws `ERR_SLUICE_CORRUPT` when the number is taken, or too large */
  put(slot: number, stream: Stream): void {
    if (slot >= this.size) {
      throw violation(`OPEN of stream ${String(slot)}, where ${String(this.size)} are allowed`)
    }
    if (this.streams[slot] !== undefined) {
      throw violation(`OPEN of stream ${String(slot)}, which is open already`)
    }
    this.set(slot, stream)
  }
}
