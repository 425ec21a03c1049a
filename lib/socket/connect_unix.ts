import { checkOptions, checkString, invalidArgument } from '../core/arguments.js'
import { systemError } from '../core/errors.js'
import { native } from './native.js'
import type { SocketHandle } from './native.js'
import {
  aborted,
  checkWaitOptions,
  notYet,
  WaitQueue,
  waitOptionNames,
  type WaitOptions,
} from '../core/waiting.js'
import {
  checkConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type ConnectionOptions,
} from './connection_options.js'
import { again, refused } from './errno.js'
import { requireSockets } from './native.js'
import { UnixConnection } from './unix_connection.js'

export interface ConnectUnixOptions extends ConnectionOptions, WaitOptions {
  /** Default `'stream'`. */
  type?: 'stream' | 'seqpacket'
}

// A full backlog is told by EAGAIN, and no readiness tells when it has room again.
const shortestPauseMs = 1
const longestPauseMs = 32

/**
 * Connects to a Unix socket: a path, or `@name` for an abstract name (Linux). It waits while the
 * server's backlog is full.
 *
 * Node up to version 20 pads abstract names that it listens on; if nobody listens on the exact name,
 * the padded one is tried.
 *
 * @throws (rejects) `ERR_SLUICE_SYSTEM` (`ENOENT`, `ECONNREFUSED`, `EACCES`, `EPROTOTYPE`),
 * `ERR_SLUICE_TIMEOUT`, the signal's reason.
 *
 * @example
 * ```ts
 * const connection = await connectUnix('/run/app/app.sock', { timeout: 1000 })
 * connection.pipe(process.stdout)
 * connection.end('hello\n')
 * ```
 */
export function connectUnix(
  address: string,
  options: ConnectUnixOptions = {},
): Promise<UnixConnection> {
  requireSockets()
  checkString('address', address)
  checkOptions(options, ['type', ...connectionOptionNames, ...waitOptionNames])
  checkConnectionType(options.type)
  checkConnectionOptions(options)
  checkWaitOptions(options)
  native.checkAddress(address)
  const { type = 'stream', signal } = options
  if (signal?.aborted === true) return aborted(signal)

  let handle: SocketHandle | undefined
  let timer: NodeJS.Timeout | undefined
  let pause = shortestPauseMs
  const attempt = (): UnixConnection | typeof notYet => {
    handle ??= openSocket(type, options)
    let failure = handle.connect(address, false)
    if (failure === refused && address.startsWith('@')) failure = handle.connect(address, true)
    if (failure === again) return notYet
    if (failure < 0) {
      handle.close()
      throw connectError(address, failure)
    }
    return new UnixConnection(handle, type, options)
  }
  const queue = new WaitQueue(() => {
    clearTimeout(timer)
    handle?.close()
  })
  const promise = queue.add(`connecting to '${address}'`, attempt, options)
  const tryNow = () => {
    queue.service()
    if (queue.length === 0) return
    timer = setTimeout(tryNow, pause)
    pause = Math.min(pause * 2, longestPauseMs)
  }
  tryNow()
  return promise
}

export function checkConnectionType(type: unknown): void {
  if (type !== undefined && type !== 'stream' && type !== 'seqpacket') {
    throw invalidArgument('options.type', "'stream' or 'seqpacket'", type)
  }
}

function openSocket(type: 'stream' | 'seqpacket', options: ConnectionOptions): SocketHandle {
  const handle = native.openSocket(type)
  try {
    setBufferSizes(handle, options)
    return handle
  } catch (error) {
    handle.close()
    throw error
  }
}

const hints: Partial<Record<string, string>> = {
  ENOENT: 'no server has made it',
  ECONNREFUSED: 'no server listens there',
  EACCES: "the socket's permissions, or a directory's, forbid it",
  EPROTOTYPE: 'the server is of another type: stream, seqpacket or datagram',
}

function connectError(address: string, failure: number): Error {
  const error = systemError(`cannot connect to '${address}'`, 'connect', failure, { address })
  const hint = hints[error.errnoCode ?? '']
  if (hint === undefined) return error
  return systemError(`cannot connect to '${address}'`, 'connect', failure, { address, hint })
}
