/** The bodies of frames that are no data: HELLO, RESET and GOAWAY. */
import { mostSlots, mostWindow, type FlowLimits } from './flow_limits.js'
import {
  FrameKind,
  headerLength,
  helloLength,
  leastLargestBody,
  readU32,
  textStart,
} from './frame.js'
import { encodeHeader, writeU32 } from './frame_encoder.js'
import { violation } from './violation.js'

/** A peer's first frame: which versions it speaks, and how much it takes. */
export interface Hello {
  readonly lowest: number
  readonly highest: number
  /** The largest body of an OPEN or DATA that it takes. */
  readonly largestBody: number
  readonly limits: FlowLimits
  readonly features: number
  /** Features without which it will not go on. */
  readonly required: number
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const magic = new TextEncoder().encode('SLUICEMX')

/** Bytes of a HELLO as it is written here. */
export const helloFrameLength = headerLength + helloLength

export function encodeHello(target: Uint8Array, at: number, hello: Hello): number {
  const { limits } = hello
  const versions = hello.lowest | (hello.highest << 16)
  const body = encodeHeader(target, at, FrameKind.hello, 0, 0, versions, helloLength)
  target.set(magic, body)
  writeU32(target, body + 8, hello.largestBody)
  writeU32(target, body + 12, limits.guarantee)
  writeU32(target, body + 16, limits.window)
  writeU32(target, body + 20, limits.pool)
  writeU32(target, body + 24, limits.slots)
  writeU32(target, body + 28, hello.features)
  writeU32(target, body + 32, hello.required)
  return body + helloLength
}

/**
 * `versions` are the aux of the header.
 *
 * @throws `ERR_SLUICE_CORRUPT`
 */
export function decodeHello(versions: number, body: Uint8Array): Hello {
  if (magic.some((byte, index) => byte !== body[index]))
    throw violation('a HELLO without its magic')
  const hello = {
    lowest: versions & 0xffff,
    highest: versions >>> 16,
    largestBody: readU32(body, 8),
    limits: {
      guarantee: readU32(body, 12),
      window: readU32(body, 16),
      pool: readU32(body, 20),
      slots: readU32(body, 24),
    },
    features: readU32(body, 28),
    required: readU32(body, 32),
  }
  const { guarantee, window, slots } = hello.limits
  if (hello.lowest < 1 || hello.highest < hello.lowest) throw violation('a HELLO of no version')
  if (hello.largestBody < leastLargestBody) throw violation('a HELLO that allows no frames')
  if (guarantee < 1 || window < guarantee || window > mostWindow || slots > mostSlots) {
    throw violation('a HELLO with limits that no stream can keep')
  }
  return hello
}

/** The body of a RESET: `number` is the final offset; or of a GOAWAY: how many OPENs were taken. */
export function decodeText(body: Uint8Array): { number: number; text: string } {
  return { number: readU32(body, 0), text: decoder.decode(body.subarray(textStart)) }
}
