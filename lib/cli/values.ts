/** The values of options and arguments: each function turns a text into one or says why not. */
import { InvalidArgumentError } from 'commander'

import type { UserId } from '../core/arguments.js'
import type { ExpectedServer, PipeSecurity } from '../index.js'

const units: Partial<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }
const longestSeconds = 2_000_000 // a timer takes 2^31 - 1 ms

/** `65536`, `64K`, `1M`: a ring's capacity in bytes. */
export function parseCapacity(text: string): number {
  const match = /^(?<digits>\d+)(?<unit>[KMG]?)(?:i?B)?$/i.exec(text)
  const unit = units[match?.groups?.['unit']?.toUpperCase() ?? '']
  const bytes = Number(match?.groups?.['digits']) * (unit ?? NaN)
  if (!(bytes >= 4096 && bytes <= 2 ** 30 && Number.isInteger(Math.log2(bytes)))) {
    throw new InvalidArgumentError('Expected a power of two from 4K to 1G, such as 1M.')
  }
  return bytes
}

/** `600`, `0660`: permission bits in octal. */
export function parseMode(text: string): number {
  if (!/^0?[0-7]{1,3}$/.test(text)) {
    throw new InvalidArgumentError('Expected permission bits in octal, such as 660.')
  }
  return parseInt(text, 8)
}

/** Seconds, as milliseconds. */
export function parseSeconds(text: string): number {
  const seconds = text.trim() === '' ? NaN : Number(text)
  if (!(seconds >= 0 && seconds <= longestSeconds)) {
    throw new InvalidArgumentError('Expected a number of seconds, such as 2.5.')
  }
  return seconds * 1000
}

/** Seconds between two looks, as milliseconds. */
export function parseSamplingSeconds(text: string): number {
  const seconds = text.trim() === '' ? NaN : Number(text)
  if (!(seconds >= 0.1 && seconds <= 60)) {
    throw new InvalidArgumentError('Expected a number of seconds from 0.1 to 60.')
  }
  return seconds * 1000
}

export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(count >= 1 && count <= 1000)) {
    throw new InvalidArgumentError('Expected a whole number from 1 to 1000.')
  }
  return count
}

/** A user's id (on Windows a SID), or `any`. */
export function parseOwner(text: string): UserId | 'any' {
  if (text === 'any') return text
  if (process.platform === 'win32') return parseSid(text)
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffffffff) {
    throw new InvalidArgumentError("Expected a user's numeric id, or any.")
  }
  return Number(text)
}

/** Whose pipe to accept: a SID, or `any`. */
export function parsePipeOwner(text: string): ExpectedServer {
  return text === 'any' ? text : { sid: parseSid(text) }
}

const pipeSecurities = ['current-user', 'administrators', 'authenticated-users'] as const

/** The name of a level of security, or else a security descriptor, which Windows parses. */
export function parsePipeSecurity(text: string): PipeSecurity {
  return pipeSecurities.find((level) => level === text) ?? { sddl: text }
}

function parseSid(text: string): `S-1-${string}` {
  if (!/^S-1(-\d+)+$/.test(text)) {
    throw new InvalidArgumentError("Expected a user's SID, such as S-1-5-18, or any.")
  }
  return text as `S-1-${string}`
}
