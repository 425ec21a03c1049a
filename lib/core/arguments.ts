/** Checks of arguments: each throws `ERR_SLUICE_INVALID_ARGUMENT` naming the argument, what was expected and what came. */
import { inspect, types } from 'node:util'

import { SluiceError } from './errors.js'

export function invalidArgument(name: string, expected: string, received: unknown): SluiceError {
  const shown = inspect(received, { depth: 0, maxStringLength: 64, breakLength: Infinity })
  return new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    `${name} must be ${expected}; received ${shown}`,
  )
}

/** An options object with no other members than these: a misspelt option is not ignored. */
export function checkOptions(options: unknown, allowed: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument('options', 'an object', options)
  }
  for (const key of Object.keys(options)) {
    if (!allowed.includes(key)) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        `options.${key} is unknown; known are ${allowed.join(', ')}`,
      )
    }
  }
}

/** As `checkOptions`, where some of the options have to be given. */
export function requireOptions(options: unknown, allowed: readonly string[]): void {
  if (options === undefined) throw invalidArgument('options', 'an object', options)
  checkOptions(options, allowed)
}

export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalidArgument(name, 'a string', value)
}

export function checkBoolean(name: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value)
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(name, 'a function', value)
}

export function checkInteger(
  name: string,
  value: unknown,
  minimum: number,
  maximum = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (!Number.isSafeInteger(value) || Number(value) < minimum || Number(value) > maximum) {
    const upTo = maximum === Number.MAX_SAFE_INTEGER ? ' or more' : ` to ${String(maximum)}`
    throw invalidArgument(name, `an integer, ${String(minimum)}${upTo}`, value)
  }
}

export function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  // Also one of another realm (vm, jsdom), which is no instance of this one's class.
  if (!types.isUint8Array(value)) throw invalidArgument(name, 'a Uint8Array', value)
  // A detached buffer's views have no bytes; an empty message is not what was meant.
  if (value.byteLength === 0 && isDetached(value.buffer)) {
    throw invalidArgument(name, 'a Uint8Array over memory', 'one whose buffer is detached')
  }
}

/**
 * For bytes that a wait holds on to: their memory may have been transferred away, or resized, since
 * they were `length` bytes long. Nothing of somebody else's memory is ever sent, nor a part of a
 * message as if it were all.
 */
export function checkStillThere(bytes: Uint8Array, length: number): void {
  if (bytes.byteLength === length) return
  throw new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    `the ${String(length)} bytes lost their memory before they were written: their buffer was ` +
      'transferred or resized',
  )
}

function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength !== 0 || !(buffer instanceof ArrayBuffer)) return false
  try {
    // Node 20 has no ArrayBuffer.prototype.detached; a view over a detached buffer cannot be made.
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

/** A file mode: permission bits only. */
export function checkMode(value: unknown): asserts value is number {
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > 0o777) {
    throw invalidArgument('mode', 'permission bits from 0 to 0o777', value)
  }
}

/** A user: an id, or a SID on Windows. */
export type UserId = number | `S-1-${string}`

export function checkOwner(value: unknown): asserts value is UserId | 'any' | undefined {
  if (value === undefined || value === 'any') return
  if (process.platform === 'win32') {
    if (typeof value === 'string' && /^S-1(-\d+)+$/.test(value)) return
    throw invalidArgument('owner', "a user's SID or 'any'", value)
  }
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > 0xffffffff) {
    throw invalidArgument('owner', "a user's id or 'any'", value)
  }
}
