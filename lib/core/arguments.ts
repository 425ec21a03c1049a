/** Checks of arguments: each throws `ERR_SLUICE_INVALID_ARGUMENT` naming the argument, what was expected and what came. */
import { inspect, types } from 'node:util'

import { SluiceError } from './errors.js'
import { own } from './own.js'

export function invalidArgument(name: string, expected: string, received: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    `${name} must be ${expected}; received ${shown(received)}`,
  )
}

function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 0, maxStringLength: 64, breakLength: Infinity })
  } catch {
    return `an ${typeof value} that cannot be shown` // its own way to be shown throws
  }
}

/**
 * Passed to a constructor that is also a user's by one that has checked the arguments already: they are
 * as `ownOptions` gives them, and are not checked once more for each connection.
 */
export const checkedBefore = Symbol('checked before')

const noOptions: object = Object.freeze(own({}))

/**
 * A copy of an options object, to read the options from: it has the object's own properties and
 * inherits nothing, so that `Object.prototype.mode = 0o777` is nobody's option. (Spread into a new
 * object it would inherit again: `{ ...options }` is as bad as the original, and so is a literal with
 * a part of them.) Members that are not
 * among the allowed are errors, because a misspelt option must not be ignored.
 */
export function ownOptions<Options extends object>(
  options: Options | undefined,
  allowed: readonly string[],
  name = 'options',
): Readonly<Options> {
  if (options === undefined) return noOptions as Readonly<Options>
  const given: unknown = options
  const own = Object.create(null) as Record<string, unknown>
  try {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw invalidArgument(name, 'an object', given)
    }
    for (const key of Object.keys(given)) {
      if (!allowed.includes(key)) {
        throw new SluiceError(
          'ERR_SLUICE_INVALID_ARGUMENT',
          `${name}.${key} is unknown; known are ${allowed.join(', ')}`,
        )
      }
      own[key] = (given as Record<string, unknown>)[key]
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  return own as Readonly<Options>
}

/** The same as `ownOptions`, where some of the options have to be given. */
export function requiredOptions<Options extends object>(
  options: Options,
  allowed: readonly string[],
): Readonly<Options> {
  if ((options as unknown) === undefined) throw invalidArgument('options', 'an object', options)
  return ownOptions(options, allowed)
}

/** For a revoked proxy, or a getter that throws. An error of this package is passed on as it is. */
export function unreadable(name: string, cause: unknown): SluiceError {
  if (cause instanceof SluiceError) return cause
  return new SluiceError('ERR_SLUICE_INVALID_ARGUMENT', `${name} cannot be read`, { cause })
}

/**
 * None, or an AbortSignal of any realm, or of a package that makes them: as Node's own calls take it.
 * A value that only looks like one would fail later, in the middle of an operation.
 */
export function checkSignal(
  name: string,
  value: unknown,
): asserts value is AbortSignal | undefined {
  if (value === undefined) return
  let valid: boolean
  try {
    const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>
    valid =
      typeof aborted === 'boolean' &&
      typeof addEventListener === 'function' &&
      typeof removeEventListener === 'function'
  } catch (error) {
    throw unreadable(name, error)
  }
  if (!valid) throw invalidArgument(name, 'an AbortSignal', value)
}

/** Why it has aborted; the signals of older makers do not tell. */
export function abortReason(signal: AbortSignal): unknown {
  return signal.reason === undefined
    ? new DOMException('This operation was aborted', 'AbortError')
    : signal.reason
}

export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalidArgument(name, 'a string', value)
  // UTF-8 has no such thing: all names with halves of characters would become one.
  if (/\p{Surrogate}/u.test(value)) {
    throw invalidArgument(name, 'a string of whole characters, without a lone surrogate', value)
  }
}

export function checkBoolean(name: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value)
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function' || isRevoked(value)) {
    throw invalidArgument(name, 'a function', value)
  }
}

/** Whether it is a revoked proxy, whose `typeof` is still that of its target. */
function isRevoked(value: unknown): boolean {
  try {
    Array.isArray(value) // throws for revoked proxies, and calls no trap of the others
    return false
  } catch {
    return true
  }
}

/**
 * A copy of a list that has at most `most` members. The members that a sparse array does not have are
 * undefined in it, so that `map` does not pass over them.
 */
export function checkList(name: string, value: unknown, most: number): readonly unknown[] {
  try {
    if (!Array.isArray(value)) throw invalidArgument(name, 'an array', value)
    const list: readonly unknown[] = value
    const { length } = list
    if (length <= most) {
      const copy: unknown[] = []
      for (let index = 0; index < length; index++) copy.push(list[index])
      return copy
    }
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      `${name} must have at most ${String(most)} members; it has ${String(length)}`,
    )
  } catch (error) {
    throw unreadable(name, error)
  }
}

/** The types of an object's members, as `typeof` tells them; `'object'` is not null. */
export type Shape<T> = Readonly<
  Record<Exclude<keyof T, OptionalKeys<T>>, 'boolean' | 'number' | 'string' | 'function' | 'object'>
>

type OptionalKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T]

/** Checks an object that a user's own code implements. Members may be inherited. */
export function checkShape<T extends object>(name: string, value: unknown, shape: Shape<T>): void {
  if (typeof value !== 'object' || value === null) throw invalidArgument(name, 'an object', value)
  const members = value as Readonly<Record<string, unknown>>
  for (const [key, type] of Object.entries<string>(shape)) {
    let member: unknown
    try {
      member = members[key]
    } catch (error) {
      throw unreadable(`${name}.${key}`, error)
    }
    if (typeof member !== type || member === null) {
      throw invalidArgument(`${name}.${key}`, `${type === 'object' ? 'an' : 'a'} ${type}`, member)
    }
  }
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

/** The length that the array has, whatever a `byteLength` of its own says. */
const trueLength = Reflect.getOwnPropertyDescriptor(
  Reflect.getPrototypeOf(Uint8Array.prototype) as Uint8Array,
  'byteLength',
)?.get as (this: Uint8Array) => number

/**
 * How many bytes there are. `tryWrite` of a ring passes the length on instead of asking the array once
 * more, and so pays for the whole check.
 */
export function checkBytes(name: string, value: unknown): number {
  try {
    // Also one of another realm (vm, jsdom), which is no instance of this one's class.
    if (!types.isUint8Array(value)) throw invalidArgument(name, 'a Uint8Array', value)
    const length = trueLength.call(value)
    // Believed, a longer one would never be sent to its end, and a shorter one would be written beyond
    // the room that was made for it.
    if (value.byteLength !== length) {
      throw invalidArgument(name, 'a Uint8Array with its true byteLength', value.byteLength)
    }
    // A detached buffer's views have no bytes; an empty message is not what was meant.
    if (length === 0 && isDetached(value.buffer)) {
      throw invalidArgument(name, 'a Uint8Array over memory', 'one whose buffer is detached')
    }
    return length
  } catch (error) {
    throw unreadable(name, error)
  }
}

/**
 * For bytes that a wait holds on to: their memory may have been transferred away, or resized, since
 * they were `length` bytes long. Nothing of somebody else's memory is ever sent, nor a part of a
 * message as if it were all.
 */
export function checkStillThere(bytes: Uint8Array, length: number): void {
  if (bytes.byteLength !== length) throw lostMemory()
}

export function lostMemory(cause?: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    'the bytes lost their memory before they were written: their buffer was transferred or resized',
    { cause },
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

/** A user, such as the owner that {@link SharedMemory.open} accepts: an id, or a SID on Windows. */
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
