/**
 * Frames in a stream of bytes.
 *
 *      0       1       2       3       4            4 + length
 *     +-------+-------+-------+-------+-----   -----+
 *     | length of the payload, big-endian |  payload  |
 *     +-------+-------+-------+-------+-----   -----+
 *
 * The length 0xffffffff has no payload: it is a heartbeat, and comes only where both sides have them.
 */
import type { SluiceError } from '../core/errors.js'
import type { Closable } from '../transport/transport.js'
import { closeAll } from '../transport/inbox.js'
import { frameTooLong } from './frames.js'

export const headerLength = 4
export const beatLength = 0xffffffff

/** No frame that is a message can be longer. */
export const longestFrame = 2 ** 30

const nothing: Buffer = Buffer.alloc(0)

/**
 * The kernel ends a read with the bytes that descriptors came with (Linux), or begins one with them
 * (BSD): so they are of the frame that has the last byte, or the first.
 */
const cargoIsOfLast = process.platform === 'linux'

export class FrameParser {
  readonly #maxLength: number
  readonly #hasBeats: boolean
  #chunk = nothing
  #offset = 0
  /** Things that came with the chunk. */
  #chunkCargo: Closable[] = []
  /** Things that belong to the frame that is under way. */
  #cargo: Closable[] = []
  /** Bytes of a header that came in parts. */
  #headerBytes = 0
  #header = 0
  /** Bytes of the payload of the frame that is under way. */
  #length: number | undefined
  /** Its bytes from chunks before this one. Collected, not made room for: the length may be a lie. */
  #pieces: Buffer[] = []
  #piecesLength = 0

  constructor(maxLength: number, hasBeats: boolean) {
    this.#maxLength = maxLength
    this.#hasBeats = hasBeats
  }

  /** Bytes that lack to the end of a frame, or of its length; 0 between two. */
  get missing(): number {
    if (this.#length !== undefined) return this.#length - this.#piecesLength
    return this.#headerBytes === 0 ? 0 : headerLength - this.#headerBytes
  }

  push(chunk: Buffer, cargo: Closable[]): void {
    const { length } = this.#chunk
    // Mostly everything was taken before more is asked for.
    const rest =
      length === this.#offset ? chunk : Buffer.concat([this.#chunk.subarray(this.#offset), chunk])
    this.#chunk = rest
    this.#offset = 0
    if (cargo.length === 0) return
    const place = cargoIsOfLast ? this.#chunkCargo : this.#cargo
    place.push(...cargo)
  }

  /** The next whole frame: a part of the chunk, if it is all there. @throws `ERR_SLUICE_MESSAGE_TOO_LONG` */
  take(): Buffer | undefined {
    const length = this.#length ?? this.#takeHeader()
    if (length === undefined) {
      this.#keepCargo()
      return undefined
    }
    const lacking = length - this.#piecesLength
    const end = this.#offset + lacking
    const part = this.#chunk.subarray(this.#offset, end)
    if (end > this.#chunk.length) {
      this.#length = length
      this.#offset = this.#chunk.length
      if (part.length > 0) this.#pieces.push(part)
      this.#piecesLength += part.length
      this.#keepCargo()
      return undefined
    }
    this.#offset = end
    this.#length = undefined
    if (end === this.#chunk.length) this.#keepCargo()
    if (this.#piecesLength === 0) return part
    const pieces = this.#pieces
    this.#pieces = []
    this.#piecesLength = 0
    pieces.push(part)
    return Buffer.concat(pieces, length)
  }

  /** The things that came with the frame that was taken last. */
  takeCargo(): Closable[] {
    const cargo = this.#cargo
    if (cargo.length > 0) this.#cargo = []
    return cargo
  }

  close(): void {
    closeAll([...this.#cargo.splice(0), ...this.#chunkCargo.splice(0)])
    this.#chunk = nothing
    this.#offset = 0
    this.#pieces = []
  }

  /** Undefined: it is not all there. */
  #takeHeader(): number | undefined {
    for (;;) {
      const length = this.#readHeader()
      if (length === undefined) return undefined
      if (length === beatLength && this.#hasBeats) continue
      if (length > this.#maxLength) throw tooLong(length, this.#maxLength)
      return length
    }
  }

  #readHeader(): number | undefined {
    const { length } = this.#chunk
    if (this.#headerBytes === 0 && length - this.#offset >= headerLength) {
      const value = this.#chunk.readUInt32BE(this.#offset)
      this.#offset += headerLength
      return value
    }
    while (this.#headerBytes < headerLength) {
      if (this.#offset === length) return undefined
      this.#header = this.#header * 256 + this.#chunk[this.#offset++]
      this.#headerBytes++
    }
    const value = this.#header
    this.#header = 0
    this.#headerBytes = 0
    return value
  }

  /** The chunk is at its end: what came with it is of the frame that had the last byte. */
  #keepCargo(): void {
    if (this.#chunkCargo.length > 0) this.#cargo.push(...this.#chunkCargo.splice(0))
  }
}

function tooLong(length: number, maxLength: number): SluiceError {
  const hint =
    length === beatLength
      ? 'it is a heartbeat: the peer has options.heartbeat, and this side has not'
      : 'options.maxLength; does the peer begin each message with its length?'
  return frameTooLong(length, maxLength, hint)
}

/** Frames for one write. */
export function framesOf(payloads: readonly Uint8Array[]): Buffer {
  let total = 0
  for (const payload of payloads) total += headerLength + payload.byteLength
  const frames = Buffer.allocUnsafe(total)
  let offset = 0
  for (const payload of payloads) {
    offset = frames.writeUInt32BE(payload.byteLength, offset)
    frames.set(payload, offset)
    offset += payload.byteLength
  }
  return frames
}

/** Shared by all: it is only read. */
export const beatFrame = Buffer.alloc(headerLength, 0xff)
