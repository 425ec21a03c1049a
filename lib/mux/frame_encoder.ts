/**
 * Writes frames into memory of the caller's. Each function takes where the frame begins and returns where it
 * ends; of a frame with data it writes what stands before them. Texts that are too long are cut.
 */
import { FrameFlag, FrameKind, headerLength, headerRest, longestText, textStart } from './frame.js'

/** No frame without data and without a key is longer, but for a HELLO. */
export const longestControlFrame = headerLength + textStart + longestText

const encoder = new TextEncoder()

export interface OpenFrame {
  readonly stream: number
  readonly key: Uint8Array
  /** Bytes of data that follow, with their digest. */
  readonly bytes: number
  /** Besides MINE. */
  readonly flags: number
  readonly priority: number
  readonly compression: number
}

export function encodeOpen(target: Uint8Array, at: number, open: OpenFrame): number {
  const { key } = open
  const aux = key.length | (open.priority << 16) | (open.compression << 24)
  const flags = open.flags | FrameFlag.mine
  const length = key.length + open.bytes
  const end = encodeHeader(target, at, FrameKind.open, flags, open.stream, aux, length)
  target.set(key, end)
  return end + key.length
}

/** `bytes` of data follow, with their digest if there is one; the first is at `offset` of the stream. */
export function encodeData(
  target: Uint8Array,
  at: number,
  stream: number,
  flags: number,
  offset: number,
  bytes: number,
): number {
  return encodeHeader(target, at, FrameKind.data, flags, stream, offset, bytes)
}

/** `flags` are MINE and DONE. */
export function encodeCredit(
  target: Uint8Array,
  at: number,
  stream: number,
  flags: number,
  offset: number,
): number {
  return encodeHeader(target, at, FrameKind.credit, flags, stream, offset, 0)
}

export function encodeReset(
  target: Uint8Array,
  at: number,
  stream: number,
  flags: number,
  code: number,
  finalOffset: number,
  text: string,
): number {
  const length = encodeText(target, at, finalOffset, text)
  return encodeHeader(target, at, FrameKind.reset, flags, stream, code, length) + length
}

export function encodeStop(
  target: Uint8Array,
  at: number,
  stream: number,
  flags: number,
  code: number,
): number {
  return encodeHeader(target, at, FrameKind.stop, flags, stream, code, 0)
}

export function encodePing(target: Uint8Array, at: number, token: number): number {
  return encodeHeader(target, at, FrameKind.ping, 0, 0, token, 0)
}

export function encodePong(target: Uint8Array, at: number, token: number): number {
  return encodeHeader(target, at, FrameKind.pong, 0, 0, token, 0)
}

/** `opens`: how many OPENs were taken, modulo 2^32. */
export function encodeGoaway(
  target: Uint8Array,
  at: number,
  code: number,
  opens: number,
  text: string,
): number {
  const length = encodeText(target, at, opens, text)
  return encodeHeader(target, at, FrameKind.goaway, 0, 0, code, length) + length
}

export function encodeBlocked(
  target: Uint8Array,
  at: number,
  stream: number,
  flags: number,
  waiting: number,
): number {
  const aux = Math.min(waiting, 0xffffffff)
  return encodeHeader(target, at, FrameKind.blocked, flags, stream, aux, 0)
}

/** Returns where the body begins. */
export function encodeHeader(
  target: Uint8Array,
  at: number,
  kind: number,
  flags: number,
  stream: number,
  aux: number,
  bodyLength: number,
): number {
  writeU32(target, at, headerRest + bodyLength)
  writeU32(target, at + 4, kind | (flags << 8))
  writeU32(target, at + 8, stream)
  writeU32(target, at + 12, aux)
  return at + headerLength
}

export function writeU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value
  target[at + 1] = value >>> 8
  target[at + 2] = value >>> 16
  target[at + 3] = value >>> 24
}

/** The body of a RESET or GOAWAY at `at`, behind the header. Returns its length. */
function encodeText(target: Uint8Array, at: number, number: number, text: string): number {
  const body = at + headerLength
  writeU32(target, body, number)
  const place = target.subarray(body + textStart, body + textStart + longestText)
  // It stops before a character that does not fit as a whole.
  return textStart + encoder.encodeInto(text, place).written
}
