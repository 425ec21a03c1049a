/**
 * Takes frames out of chunks of any size. A header is handed out as soon as it is there, so that its stream
 * and length are checked before the body is; data are handed out as slices of the chunks, in the parts in
 * which they come. Nothing is kept but a header, or a small body (a key at most), that came in parts.
 */
import { FrameHeader, FrameKind, headerLength } from './frame.js'
import { fault, violation } from './violation.js'

/** The result of `next`. */
export enum Found {
  /** The chunk is used up. */
  nothing,
  header,
  /** `part` is an OPEN's key, though it be empty, or the whole body of a HELLO, RESET or GOAWAY. */
  small,
  /** `part` is data of an OPEN or DATA, or a part of them; the digest at its end comes as data. */
  data,
}

enum Phase {
  header,
  small,
  data,
  /** Nonsense has come, and nothing after it means anything. */
  failed,
}

const nothing = new Uint8Array(0)

export class FrameDecoder {
  readonly header = new FrameHeader()
  /** Bytes that `next` has found. The memory is the chunk's, or the caller's own. */
  part: Uint8Array = nothing
  readonly #largestBody: number
  #phase = Phase.header
  #chunk: Uint8Array = nothing
  #at = 0
  /** The beginning of a header, or of a small body, from chunks before this one. */
  readonly #keptHeader = new Uint8Array(headerLength)
  #keptSmall: Uint8Array = nothing
  #kept = 0
  #dataLeft = 0

  /** A frame with data has a body of at most `largestBody` bytes: so it was told in the HELLO. */
  constructor(largestBody: number) {
    this.#largestBody = largestBody
  }

  /** Bytes of data of this frame that are still to be found. */
  get dataLeft(): number {
    return this.#dataLeft
  }

  /** Whether everything was found, and no frame has begun: only there may the stream of bytes end. */
  get isBetweenFrames(): boolean {
    return this.#phase === Phase.header && this.#kept === 0 && this.#at === this.#chunk.length
  }

  /** The next bytes. The chunk before has been used up: `next` has found nothing more. */
  push(chunk: Uint8Array): void {
    if (this.#at < this.#chunk.length) throw fault('a chunk before the last one was used up')
    this.#chunk = chunk
    this.#at = 0
  }

  /** @throws `ERR_SLUICE_CORRUPT` */
  next(): Found {
    switch (this.#phase) {
      case Phase.header:
        return this.#nextHeader()
      case Phase.small:
        return this.#nextSmall()
      case Phase.data:
        return this.#nextData()
      case Phase.failed:
        throw violation('nonsense before')
    }
  }

  #nextHeader(): Found {
    const available = this.#chunk.length - this.#at
    if (this.#kept === 0 && available >= headerLength) {
      this.#readHeader(this.#chunk, this.#at)
      this.#at += headerLength
      return Found.header
    }
    if (!this.#keep(this.#keptHeader, headerLength)) return this.#usedUp()
    this.#readHeader(this.#keptHeader, 0)
    return Found.header
  }

  #readHeader(bytes: Uint8Array, at: number): void {
    const { header } = this
    this.#phase = Phase.failed
    header.read(bytes, at, this.#largestBody)
    const { smallLength } = header
    this.#dataLeft = header.bodyLength - smallLength
    if (smallLength > 0 || header.kind === FrameKind.open) this.#phase = Phase.small
    else this.#phase = this.#dataLeft > 0 ? Phase.data : Phase.header
  }

  #nextSmall(): Found {
    const { smallLength } = this.header
    if (this.#kept === 0 && this.#chunk.length - this.#at >= smallLength) {
      this.part = this.#chunk.subarray(this.#at, this.#at + smallLength)
      this.#at += smallLength
    } else {
      if (this.#kept === 0) this.#keptSmall = new Uint8Array(smallLength)
      if (!this.#keep(this.#keptSmall, smallLength)) return this.#usedUp()
      this.part = this.#keptSmall
      this.#keptSmall = nothing
    }
    this.#phase = this.#dataLeft > 0 ? Phase.data : Phase.header
    return Found.small
  }

  #nextData(): Found {
    const end = Math.min(this.#chunk.length, this.#at + this.#dataLeft)
    if (end === this.#at) return this.#usedUp()
    this.part = this.#chunk.subarray(this.#at, end)
    this.#dataLeft -= end - this.#at
    this.#at = end
    if (this.#dataLeft === 0) this.#phase = Phase.header
    return Found.data
  }

  /** Copies what is there into `place`. Whether it is full, and then nothing counts as kept any more. */
  #keep(place: Uint8Array, size: number): boolean {
    const end = Math.min(this.#chunk.length, this.#at + size - this.#kept)
    // Byte by byte: mostly they are few, and a slice would be allocated for each call.
    while (this.#at < end) place[this.#kept++] = this.#chunk[this.#at++]
    if (this.#kept < size) return false
    this.#kept = 0
    return true
  }

  /** Lets go of the chunk, and of the part: a decoder that waits holds no memory of others. */
  #usedUp(): Found {
    this.#chunk = nothing
    this.#at = 0
    this.part = nothing
    return Found.nothing
  }
}
