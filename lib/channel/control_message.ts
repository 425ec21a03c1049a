/**
 * The messages of a channel's control connection.
 *
 *     u16 length of the rest | u8 kind | body          all numbers little endian
 *
 *     HELLO   1  magic "SLUICECH", u16 lowest and u16 highest version, u32 features, u32 features
 *                without which the sender will not go on, u32 bytes wanted for the ring to the server,
 *                u32 for the one to the client (0: no wish)
 *     OFFER   2  u16 version, u32 features, u32 and u32 bytes of the two rings, 16 bytes token; with it
 *                come the two rings: to the server, to the client; on Windows the token names them
 *     ACCEPT  3  the token
 *     REJECT  4  u16 reason, text in UTF-8
 *     READY   5  from here on data go by the rings
 *     PLAIN   6  the client takes the place of a channel by a plain stream: the control connection itself
 *     CARGO   7  u32 number, u16 count of the descriptors that come with it; a record in the ring names
 *                the number
 *
 * After READY, in place of a message, there may be a bell, a single byte, from a sender and to a receiver that
 * both know the feature:
 *
 *     0   records have come, for a consumer that has said that it sleeps
 *     1   there is room, for a producer that has said so
 *
 * The sender is not trusted: a length is checked before anything is kept, a body against its kind's own
 * length, and what does not fit ends the connection.
 */
import { SluiceError } from '../core/errors.js'

export const ControlKind = {
  hello: 1,
  offer: 2,
  accept: 3,
  reject: 4,
  ready: 5,
  plain: 6,
  cargo: 7,
} as const

/** A byte that wakes one who sleeps. */
export enum Bell {
  records = 0,
  room = 1,
}

/** How many kinds there are. */
const bells = 2

export type ControlMessage =
  | {
      kind: typeof ControlKind.hello
      lowest: number
      highest: number
      features: number
      required: number
      toServer: number
      toClient: number
    }
  | {
      kind: typeof ControlKind.offer
      version: number
      features: number
      toServer: number
      toClient: number
      token: Buffer
    }
  | { kind: typeof ControlKind.accept; token: Buffer }
  | { kind: typeof ControlKind.reject; reason: number; text: string }
  | { kind: typeof ControlKind.ready }
  | { kind: typeof ControlKind.plain }
  | { kind: typeof ControlKind.cargo; number: number; count: number }

const magic = Buffer.from('SLUICECH')
export const tokenLength = 16
const longestText = 256
const lengthSize = 2

/** Bytes of a message behind its length, by kind; of a REJECT the least. */
const sizes: Partial<Record<number, number>> = {
  [ControlKind.hello]: 1 + 8 + 2 + 2 + 4 + 4 + 4 + 4,
  [ControlKind.offer]: 1 + 2 + 4 + 4 + 4 + tokenLength,
  [ControlKind.accept]: 1 + tokenLength,
  [ControlKind.reject]: 1 + 2,
  [ControlKind.ready]: 1,
  [ControlKind.plain]: 1,
  [ControlKind.cargo]: 1 + 4 + 2,
}

export function encodeControl(message: ControlMessage): Buffer {
  const text = message.kind === ControlKind.reject ? cutText(message.text) : undefined
  const size = (sizes[message.kind] ?? 0) + (text?.length ?? 0)
  const bytes = Buffer.alloc(lengthSize + size)
  bytes.writeUInt16LE(size, 0)
  bytes.writeUInt8(message.kind, 2)
  switch (message.kind) {
    case ControlKind.hello:
      bytes.set(magic, 3)
      bytes.writeUInt16LE(message.lowest, 11)
      bytes.writeUInt16LE(message.highest, 13)
      bytes.writeUInt32LE(message.features, 15)
      bytes.writeUInt32LE(message.required, 19)
      bytes.writeUInt32LE(message.toServer, 23)
      bytes.writeUInt32LE(message.toClient, 27)
      break
    case ControlKind.offer:
      bytes.writeUInt16LE(message.version, 3)
      bytes.writeUInt32LE(message.features, 5)
      bytes.writeUInt32LE(message.toServer, 9)
      bytes.writeUInt32LE(message.toClient, 13)
      bytes.set(message.token, 17)
      break
    case ControlKind.accept:
      bytes.set(message.token, 3)
      break
    case ControlKind.reject:
      bytes.writeUInt16LE(message.reason, 3)
      if (text !== undefined) bytes.set(text, 5)
      break
    case ControlKind.cargo:
      bytes.writeUInt32LE(message.number, 3)
      bytes.writeUInt16LE(message.count, 7)
      break
  }
  return bytes
}

/** Not in the middle of a character. */
function cutText(text: string): Buffer {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(longestText))
  return Buffer.from(text.slice(0, read))
}

/** Takes messages out of bytes that come in pieces of any size. */
export class ControlParser {
  #bytes: Buffer = Buffer.alloc(0)
  /** Called with each kind of bell that is found, once for many; undefined: they are no bells. */
  onBell: ((bell: Bell) => void) | undefined

  /** Bytes that were not taken yet. */
  get rest(): Buffer {
    return this.#bytes
  }

  add(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
  }

  /**
   * The next message; undefined when it is not there as a whole.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  next(): ControlMessage | undefined {
    if (this.onBell !== undefined) this.#takeBells(this.onBell)
    const bytes = this.#bytes
    if (bytes.length < lengthSize + 1) return undefined
    const size = bytes.readUInt16LE(0)
    const kind = bytes.readUInt8(2)
    const least = sizes[kind]
    const most = kind === ControlKind.reject ? (least ?? 0) + longestText : least
    if (least === undefined || most === undefined || size < least || size > most) {
      throw nonsense('a message of no known kind and length')
    }
    if (bytes.length < lengthSize + size) return undefined
    this.#bytes = bytes.subarray(lengthSize + size)
    return decode(kind, bytes.subarray(0, lengthSize + size))
  }

  #takeBells(onBell: (bell: Bell) => void): void {
    const bytes = this.#bytes
    let count = 0
    let found = 0
    for (; count < bytes.length && bytes[count] < bells; count++) found |= 1 << bytes[count]
    if (count === 0) return
    this.#bytes = bytes.subarray(count)
    if ((found & (1 << Bell.records)) !== 0) onBell(Bell.records)
    if ((found & (1 << Bell.room)) !== 0) onBell(Bell.room)
  }
}

function decode(kind: number, bytes: Buffer): ControlMessage {
  switch (kind) {
    case ControlKind.hello:
      if (!bytes.subarray(3, 11).equals(magic)) throw nonsense('a HELLO without its magic')
      return {
        kind: ControlKind.hello,
        lowest: bytes.readUInt16LE(11),
        highest: bytes.readUInt16LE(13),
        features: bytes.readUInt32LE(15),
        required: bytes.readUInt32LE(19),
        toServer: bytes.readUInt32LE(23),
        toClient: bytes.readUInt32LE(27),
      }
    case ControlKind.offer:
      return {
        kind: ControlKind.offer,
        version: bytes.readUInt16LE(3),
        features: bytes.readUInt32LE(5),
        toServer: bytes.readUInt32LE(9),
        toClient: bytes.readUInt32LE(13),
        token: bytes.subarray(17),
      }
    case ControlKind.accept:
      return { kind: ControlKind.accept, token: bytes.subarray(3) }
    case ControlKind.reject:
      return {
        kind: ControlKind.reject,
        reason: bytes.readUInt16LE(3),
        text: bytes.subarray(5).toString(),
      }
    case ControlKind.cargo:
      return {
        kind: ControlKind.cargo,
        number: bytes.readUInt32LE(3),
        count: bytes.readUInt16LE(7),
      }
    case ControlKind.ready:
      return { kind: ControlKind.ready }
    default:
      return { kind: ControlKind.plain }
  }
}

export function nonsense(what: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_CORRUPT',
    `the peer does not speak as a channel does: it sent ${what}`,
  )
}
