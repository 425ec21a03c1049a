import { constants } from 'node:os'
import { getSystemErrorName, types } from 'node:util'
import * as util from 'node:util'

import { makeOneOfAllCopies } from './copies.js'
import type { SluiceErrorCode, SystemErrorCode } from './error_codes.js'
import { own } from './own.js'
import { windowsError } from './windows_errors.js'

export type { SluiceErrorCode, SystemErrorCode } from './error_codes.js'

/** Facts about a {@link SluiceError} beside its code and message. */
export interface SluiceErrorDetails {
  /** The system call that failed. */
  syscall?: string | undefined
  /** The system's error number, negative as Node has it. */
  errno?: number | undefined
  /** Windows' own name of the error. */
  win32?: string | undefined
  /** The name that the call was about: of a socket, a pipe, shared memory. */
  address?: string | undefined
  /** The file that the call was about. */
  path?: string | undefined
  /** The id of the process that stands in the way, or that died. */
  pid?: number | undefined
  /** Bytes that did not come. */
  missing?: number | undefined
  /** The error that led to this one. */
  cause?: unknown
}

/**
 * The one class of errors that sluice makes. Where a system call failed, `code` is the system's name
 * of the error, and `syscall` is there; else `code` is one of sluice's own, and `syscall` is not.
 * `instanceof` holds for those of every copy of the package, however often it was loaded (Jest loads it
 * for each test file).
 *
 * @example
 * ```ts
 * const ring = Ring.anonymous()
 * ring.producer()
 * try {
 *   ring.producer()
 * } catch (error) {
 *   if (!(error instanceof SluiceError && error.code === 'ERR_SLUICE_ROLE_TAKEN')) throw error
 *   console.error(`process ${error.pid} is the producer`)
 * }
 * ring.close()
 * ```
 */
export class SluiceError extends Error {
  /** The kind of failure, for a program to decide by. */
  readonly code: SluiceErrorCode | SystemErrorCode
  /** The system call that failed: `'connect'`, `'CreateFile'`. Only where one did. */
  declare readonly syscall?: string
  /** The error number that Node has for `code`, negative: `util.getSystemErrorName(errno) === code`. */
  declare readonly errno?: number
  /** Windows' own name of the error: `'ERROR_PIPE_BUSY'`. */
  declare readonly win32?: string
  /** The name that the call was about: of a socket, a pipe, shared memory. */
  declare readonly address?: string
  /** The file that the call was about. */
  declare readonly path?: string
  /** The id of the process that stands in the way, or that died. */
  declare readonly pid?: number
  /** Bytes that lack to the end of a message that was cut off. */
  declare readonly missing?: number

  static {
    // As the classes of the language have it: for-in and a spread do not come upon it.
    Object.defineProperty(this.prototype, 'name', {
      value: 'SluiceError',
      writable: true,
      configurable: true,
    })
    makeOneOfAllCopies(this, 'SluiceError')
  }

  constructor(
    code: SluiceErrorCode | SystemErrorCode,
    message: string,
    details: SluiceErrorDetails = {},
  ) {
    // Own properties alone, of the details as of the error, and only facts that there are: they are
    // what printing an error shows.
    const facts = own(details)
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    for (const name of factNames) {
      if (facts[name] !== undefined) Object.assign(this, { [name]: facts[name] })
    }
  }
}

const factNames = ['errno', 'syscall', 'win32', 'address', 'path', 'pid', 'missing'] as const

/**
 * An error of a failed system call, as {@link isSystemError} knows it: a `SluiceError`, or one of Node's
 * own.
 */
export interface SystemError extends Error {
  /** The system's name of the error. */
  readonly code: SystemErrorCode
  /** The system call that failed. */
  readonly syscall: string
  /** The system's error number, negative as Node has it. */
  readonly errno: number
  /** The name that the call was about: of a socket, a pipe, shared memory. */
  readonly address?: string
  /** The file that the call was about. */
  readonly path?: string
}

/**
 * Whether a system call failed, and with one of these codes if any are given. Errors of Node's own
 * calls, of `fs` and `net`, are of the same form, and are told as well.
 *
 * @example
 * ```ts
 * const connection = await connectUnix('/run/app/app.sock').catch((error: unknown) => {
 *   if (isSystemError(error, 'ENOENT', 'ECONNREFUSED')) return undefined // no server yet
 *   throw error
 * })
 * connection?.close()
 * ```
 */
export function isSystemError(
  error: unknown,
  ...codes: readonly SystemErrorCode[]
): error is SystemError {
  // Errors of any realm count: where tests run in one of their own, Node's errors are of another.
  if (!types.isNativeError(error) || !Object.hasOwn(error, 'syscall')) return false
  const { code, syscall, errno } = error as Partial<SystemError>
  return (
    code !== undefined &&
    typeof syscall === 'string' &&
    typeof errno === 'number' &&
    (codes.length === 0 || codes.includes(code))
  )
}

interface About {
  address?: string | undefined
  path?: string | undefined
  cause?: unknown
}

/**
 * For a system call that failed with the negative error number `errno`; `attempt` says what it was
 * for, `hint` what can be done about it.
 */
export function systemError(
  attempt: string,
  syscall: string,
  errno: number,
  { hint, ...about }: About & { hint?: string | undefined } = {},
): SluiceError {
  const code = systemErrorCode(errno)
  const meaning = meaningOf(errno)
  const more = meaning === undefined ? code : `${code}, ${meaning}`
  const message = `${attempt}: ${more}${hint === undefined ? '' : ` (${hint})`}`
  return new SluiceError(code, message, { syscall, errno, ...about })
}

/**
 * For a system call that native code made; `number` is errno as C has it, or the code of
 * GetLastError.
 */
export function nativeSystemError(
  message: string,
  syscall: string,
  number: number,
  about: About,
  platform = process.platform,
): SluiceError {
  if (platform !== 'win32') {
    return new SluiceError(systemErrorCode(-number), message, { syscall, errno: -number, ...about })
  }
  const { code, win32 } = windowsError(syscall, number)
  return new SluiceError(code, message, { syscall, errno: errnoOf(code), win32, ...about })
}

/** For a call of Node's that failed in our name; `syscall` is the one that it would have made. */
export function nodeError(
  attempt: string,
  syscall: string,
  cause: unknown,
  about: About & { hint?: string | undefined } = {},
): SluiceError {
  if (isSystemError(cause))
    return systemError(attempt, cause.syscall, cause.errno, { ...about, cause })
  // Node's permission model forbids calls before the system is asked.
  const hint = cause instanceof Error ? cause.message : String(cause)
  return systemError(attempt, syscall, errnoOf('EACCES'), { ...about, hint, cause })
}

// Errors of our calls that neither libuv nor Node knows. ETOOMANYREFS, of `sendmsg`: too many
// descriptors on their way.
const otherCodes: Partial<Record<NodeJS.Platform, Record<number, SystemErrorCode>>> = {
  linux: { 109: 'ETOOMANYREFS' },
  darwin: { 59: 'ETOOMANYREFS' },
  freebsd: { 59: 'ETOOMANYREFS' },
}

/** The name of a negative error number. */
export function systemErrorCode(errno: number): SystemErrorCode {
  const other = otherCodes[process.platform]?.[-errno]
  if (other !== undefined) return other
  const name = getSystemErrorName(errno)
  if (/^[A-Z]\w+$/.test(name)) return name as SystemErrorCode // it has 'Unknown system error 122' too
  const known = Object.entries(constants.errno).find(([, number]) => number === -errno)
  return (known?.[0] ?? 'UNKNOWN') as SystemErrorCode
}

/** The negative number of a name. On Windows it is one of libuv's, which stands for several of the system's. */
export function errnoOf(code: SystemErrorCode): number {
  for (const [errno, [name]] of errorMap() ?? []) if (name === code) return errno
  return -((constants.errno as Partial<Record<string, number>>)[code] ?? 4094) // libuv's UNKNOWN
}

function meaningOf(errno: number): string | undefined {
  return errorMap()?.get(errno)?.[1]
}

// Bun has no such function.
function errorMap(): Map<number, [string, string]> | undefined {
  const { getSystemErrorMap } = util as Partial<typeof util>
  return getSystemErrorMap?.()
}
