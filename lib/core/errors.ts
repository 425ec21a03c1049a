import { getSystemErrorName } from 'node:util'
import * as util from 'node:util'

/**
 * The kind of failure, as a stable code.
 *
 * | code | meaning |
 * | --- | --- |
 * | `ERR_SLUICE_CLOSED` | the object was closed, before or during the operation |
 * | `ERR_SLUICE_CORRUPT` | the peer wrote nonsense into shared memory, or into a pipe that carries handles; this end can only be closed |
 * | `ERR_SLUICE_FDS_LIMIT` | more descriptors came with a message than the connection takes |
 * | `ERR_SLUICE_FDS_TRUNCATED` | descriptors were lost on their way: this process has too many open |
 * | `ERR_SLUICE_HANDLES_LIMIT` | too many handles are on their way, or came with a message |
 * | `ERR_SLUICE_HANDLES_LOST` | handles that came with a message could not be taken from their sender: see `cause` |
 * | `ERR_SLUICE_INVALID_ARGUMENT` | an argument is of the wrong type or out of range |
 * | `ERR_SLUICE_INVALID_STATE` | the call does not fit what was called before (commit without reserve) |
 * | `ERR_SLUICE_MESSAGE_TOO_LONG` | a message is longer than `maxMessageLength`, or than the system takes |
 * | `ERR_SLUICE_NATIVE_MISSING` | no binary of the addon fits this platform |
 * | `ERR_SLUICE_NOT_A_RING` | the shared memory holds something else |
 * | `ERR_SLUICE_PEER_CLOSED` | the consumer has closed and the ring is full |
 * | `ERR_SLUICE_PEER_DIED` | the process at the other end is gone without having closed |
 * | `ERR_SLUICE_QUEUE_FULL` | too many operations wait on one object |
 * | `ERR_SLUICE_ROLE_TAKEN` | a living process already is the producer, or the consumer (`error.pid`) |
 * | `ERR_SLUICE_STREAM_ENDED` | the last stream has ended and its end was not read yet |
 * | `ERR_SLUICE_SYSTEM` | a system call failed: see `errnoCode` and `syscall` |
 * | `ERR_SLUICE_TIMEOUT` | the time was up |
 * | `ERR_SLUICE_UNSEALED` | memory from someone else could be shrunk by them |
 * | `ERR_SLUICE_UNSUPPORTED` | this platform or runtime lacks it: see `capabilities()` |
 * | `ERR_SLUICE_UNTRUSTED_OWNER` | the named memory belongs to another user |
 * | `ERR_SLUICE_VERSION_MISMATCH` | the ring is of another major format version |
 */
export type SluiceErrorCode =
  | 'ERR_SLUICE_CLOSED'
  | 'ERR_SLUICE_CORRUPT'
  | 'ERR_SLUICE_FDS_LIMIT'
  | 'ERR_SLUICE_FDS_TRUNCATED'
  | 'ERR_SLUICE_HANDLES_LIMIT'
  | 'ERR_SLUICE_HANDLES_LOST'
  | 'ERR_SLUICE_INVALID_ARGUMENT'
  | 'ERR_SLUICE_INVALID_STATE'
  | 'ERR_SLUICE_MESSAGE_TOO_LONG'
  | 'ERR_SLUICE_NATIVE_MISSING'
  | 'ERR_SLUICE_NOT_A_RING'
  | 'ERR_SLUICE_PEER_CLOSED'
  | 'ERR_SLUICE_PEER_DIED'
  | 'ERR_SLUICE_QUEUE_FULL'
  | 'ERR_SLUICE_ROLE_TAKEN'
  | 'ERR_SLUICE_STREAM_ENDED'
  | 'ERR_SLUICE_SYSTEM'
  | 'ERR_SLUICE_TIMEOUT'
  | 'ERR_SLUICE_UNSEALED'
  | 'ERR_SLUICE_UNSUPPORTED'
  | 'ERR_SLUICE_UNTRUSTED_OWNER'
  | 'ERR_SLUICE_VERSION_MISMATCH'

/** Facts about an error beside its code and message. */
export interface SluiceErrorDetails {
  /** The system call that failed. */
  syscall?: string | undefined
  /** The system's error number, negative as Node has it; on Windows that of GetLastError. */
  errno?: number | undefined
  /** Its name, where Node does not know it. */
  errnoCode?: string | undefined
  /** The name or path that the call was about. */
  address?: string | undefined
  /** The process that stands in the way, or that died. */
  pid?: number | undefined
  cause?: unknown
}

/**
 * The one class of errors that sluice makes.
 *
 * @example
 * ```ts
 * try {
 *   ring.producer()
 * } catch (error) {
 *   if (error instanceof SluiceError && error.code === 'ERR_SLUICE_ROLE_TAKEN') {
 *     console.error(`process ${error.pid} is the producer`)
 *   }
 * }
 * ```
 */
export class SluiceError extends Error {
  readonly code: SluiceErrorCode
  declare readonly syscall?: string
  /** Negative, as Node has it: `-2`; on Windows the code of GetLastError, `-231`. */
  declare readonly errno?: number
  /** The system's name of the error: `'ENOENT'`, `'ERROR_PIPE_BUSY'`. */
  declare readonly errnoCode?: string
  declare readonly address?: string
  declare readonly pid?: number

  static {
    this.prototype.name = 'SluiceError'
  }

  constructor(code: SluiceErrorCode, message: string, details: SluiceErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.syscall !== undefined) this.syscall = details.syscall
    if (details.errno !== undefined) {
      this.errno = details.errno
      this.errnoCode = details.errnoCode ?? nameOf(details.errno)
    }
    if (details.address !== undefined) this.address = details.address
    if (details.pid !== undefined) this.pid = details.pid
  }
}

/**
 * For a system call that failed with the negative error number `errno`; `attempt` says what it was
 * for, `hint` what can be done about it.
 */
export function systemError(
  attempt: string,
  syscall: string,
  errno: number,
  { address, hint }: { address?: string | undefined; hint?: string | undefined } = {},
): SluiceError {
  const meaning = meaningOf(errno)
  const more = [nameOf(errno), ...(meaning === undefined ? [] : [meaning])].join(', ')
  const message = `${attempt}: ${more}${hint === undefined ? '' : ` (${hint})`}`
  return new SluiceError('ERR_SLUICE_SYSTEM', message, { syscall, errno, address })
}

// Errors of our calls that libuv does not know. ETOOMANYREFS, of `sendmsg`: too many descriptors on
// their way.
const otherNames: Partial<Record<NodeJS.Platform, Record<number, string>>> = {
  linux: { 109: 'ETOOMANYREFS' },
  darwin: { 59: 'ETOOMANYREFS' },
  freebsd: { 59: 'ETOOMANYREFS' },
}

function nameOf(errno: number): string {
  return otherNames[process.platform]?.[-errno] ?? getSystemErrorName(errno)
}

// Bun has no such function.
function meaningOf(errno: number): string | undefined {
  const { getSystemErrorMap } = util as Partial<typeof util>
  return getSystemErrorMap?.().get(errno)?.[1]
}
