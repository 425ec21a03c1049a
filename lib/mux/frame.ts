/**
 * The frames of the multiplexer, in its own format. All numbers are little endian.
 *
 *     u32 length | u8 kind, u8 flags, u16 zero | u32 stream | u32 aux | body
 *
 * `length` counts the bytes behind the first 8: 8 and those of the body. With the second word as the type
 * the first 8 bytes are the header of a record in a ring, and there the rest is its payload.
 *
 *     HELLO    1  aux u16 lowest and u16 highest version; body: magic "SLUICEMX", u32 largest body of OPEN
 *                 and DATA, u32 guarantee, u32 window, u32 pool, u32 slots, u32 features, u32 features
 *                 without which the sender will not go on; more may follow, to 1008 bytes, and is ignored
 *     OPEN     2  aux bits 0-15 length of the key (to 1024), 16-17 priority, 24-25 compression, the rest
 *                 zero; body: key, first data
 *     DATA     3  aux offset of the first byte in the stream; body: data
 *     CREDIT   4  aux offset up to which all is consumed; no body
 *     RESET    5  aux code; body: u32 final offset, text in UTF-8 (to 256 bytes)
 *     STOP     6  aux code; no body
 *     PING     7  aux token; no body
 *     PONG     8  aux the token of the PING; no body
 *     GOAWAY   9  aux code; body: u32 number of OPENs that were taken, text as in RESET
 *     BLOCKED 10  aux bytes that wait, at most 2^32 - 1; no body
 *
 * Offsets count data modulo 2^32: neither the key nor a digest. The flags:
 *
 *     MINE        1  `stream` is of the sender's numbering; always of OPEN
 *     FIN         2  OPEN, DATA: these are the last data
 *     COMPRESSED  4  OPEN, DATA: the data are compressed as the OPEN said
 *     DIGEST      8  OPEN, DATA with FIN: 32 bytes of SHA-256 of the stream follow the data
 *     DONE       16  CREDIT: all is consumed or discarded, this direction is over
 *     TWO_WAY    32  OPEN: the other side sends on the stream as well
 *
 * `stream` is 0 in frames that are about none. The sender is not trusted: a header is checked as soon as it
 * is there, kind, flags and length together, and anything unknown ends the connection.
 */
import { violation } from './violation.js'

export const FrameKind = {
  hello: 1,
  open: 2,
  data: 3,
  credit: 4,
  reset: 5,
  stop: 6,
  ping: 7,
  pong: 8,
  goaway: 9,
  blocked: 10,
} as const

export const FrameFlag = {
  mine: 1,
  fin: 2,
  compressed: 4,
  digest: 8,
  done: 16,
  twoWay: 32,
} as const

export const headerLength = 16
/** Counted by `length`, although it is of the header. */
export const headerRest = 8
export const digestLength = 32
export const longestKey = 1024
export const longestText = 256
export const helloLength = 36
export const longestHello = 1008
/** The offset or the count before a text. */
export const textStart = 4
/** The smallest that a HELLO may name as the largest body, so that every key fits in an OPEN. */
export const leastLargestBody = 4096

interface Rule {
  readonly name: string
  readonly flags: number
  /** Whether it is about a stream. */
  readonly isOfStream: boolean
  readonly least: number
  /** Undefined: as long as the receiver has said in its HELLO. */
  readonly most: number | undefined
}

const { mine, fin, compressed, digest, done, twoWay } = FrameFlag
const empty = { least: 0, most: 0 }
const text = { least: textStart, most: textStart + longestText }
const data = { least: 0, most: undefined }

/** By kind; there is no kind 0. */
const rules: readonly (Rule | undefined)[] = [
  undefined,
  { name: 'HELLO', flags: 0, isOfStream: false, least: helloLength, most: longestHello },
  { name: 'OPEN', flags: mine | fin | compressed | digest | twoWay, isOfStream: true, ...data },
  { name: 'DATA', flags: mine | fin | compressed | digest, isOfStream: true, ...data },
  { name: 'CREDIT', flags: mine | done, isOfStream: true, ...empty },
  { name: 'RESET', flags: mine, isOfStream: true, ...text },
  { name: 'STOP', flags: mine, isOfStream: true, ...empty },
  { name: 'PING', flags: 0, isOfStream: false, ...empty },
  { name: 'PONG', flags: 0, isOfStream: false, ...empty },
  { name: 'GOAWAY', flags: 0, isOfStream: false, ...text },
  { name: 'BLOCKED', flags: mine, isOfStream: true, ...empty },
]

const mostCompression = 2
/** Bits of an OPEN's aux that mean something. */
const openBits = 0x0303ffff

/** A header that was read; the same object serves for all headers of a decoder. */
export class FrameHeader {
  kind = 0
  flags = 0
  stream = 0
  aux = 0
  bodyLength = 0

  has(flag: number): boolean {
    return (this.flags & flag) !== 0
  }

  /** Bytes of an OPEN's key. */
  get keyLength(): number {
    return this.aux & 0xffff
  }

  /** Priority in an OPEN: 0 to 3. */
  get priority(): number {
    return (this.aux >>> 16) & 3
  }

  /** Number of the compression in an OPEN: 0 is none. */
  get compression(): number {
    return (this.aux >>> 24) & 3
  }

  /** Bytes of data in an OPEN or DATA, neither key nor digest. */
  get dataLength(): number {
    const key = this.kind === FrameKind.open ? this.keyLength : 0
    return this.bodyLength - key - (this.has(digest) ? digestLength : 0)
  }

  /** Bytes of the body that are not data, and come as a whole. */
  get smallLength(): number {
    if (this.kind === FrameKind.open) return this.keyLength
    return this.kind === FrameKind.data ? 0 : this.bodyLength
  }

  /**
   * Reads the header at `at`. An OPEN or DATA has a body of at most `largestBody` bytes.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  read(bytes: Uint8Array, at: number, largestBody: number): void {
    const length = readU32(bytes, at)
    const type = readU32(bytes, at + 4)
    this.kind = type & 0xff
    this.flags = (type >>> 8) & 0xff
    this.stream = readU32(bytes, at + 8)
    this.aux = readU32(bytes, at + 12)
    this.bodyLength = length - headerRest
    const rule = rules[this.kind]
    if (rule === undefined || type >>> 16 !== 0) throw violation('a frame of no known kind')
    if ((this.flags & ~rule.flags) !== 0 || (!rule.isOfStream && this.stream !== 0)) {
      throw refusal(rule, 'flags, or a stream, that it cannot have')
    }
    if (this.bodyLength < rule.least || this.bodyLength > (rule.most ?? largestBody)) {
      throw refusal(rule, `a length of ${String(length)}`)
    }
    if (this.kind === FrameKind.open) this.#checkOpen(rule)
    if (this.has(digest) && (!this.has(fin) || this.dataLength < 0)) {
      throw refusal(rule, 'a digest that is not behind the last data')
    }
    if (this.dataLength < 0) throw refusal(rule, 'a key that is longer than all')
  }

  #checkOpen(rule: Rule): void {
    if (!this.has(mine)) throw refusal(rule, "a number that is not its sender's")
    if ((this.aux & ~openBits) !== 0 || this.compression > mostCompression) {
      throw refusal(rule, 'bits that mean nothing')
    }
    if (this.keyLength > longestKey) throw refusal(rule, `${String(this.keyLength)} bytes of key`)
  }
}

function refusal({ name }: Rule, what: string): Error {
  return violation(`a frame ${name} with ${what}`)
}

export function readU32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at + 3] << 24) | (bytes[at + 2] << 16)
  return (high | (bytes[at + 1] << 8) | bytes[at]) >>> 0
}
