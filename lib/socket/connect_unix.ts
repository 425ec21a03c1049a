import { checkString, invalidArgument, ownOptions } from '../core/arguments.js'
import { systemError, systemErrorCode, type SystemErrorCode } from '../core/errors.js'
import { retry, shortBackoff } from '../core/retry.js'
import { native } from './native.js'
import type { SocketHandle } from './native.js'
import { checkWaitOptions, waitOptionNames, type WaitOptions } from '../core/wait_options.js'
import { notYet } from '../core/wait_queue.js'
import {
  checkUnixConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type UnixConnectionOptions,
} from './connection_options.js'
import { again, refused } from './errno.js'
import { requireSockets } from './native.js'
import { UnixConnection } from './unix_connection.js'

/** The options of {@link connectUnix}. */
export interface ConnectUnixOptions extends UnixConnectionOptions, WaitOptions {
  /** Default `'stream'`. */
  type?: 'stream' | 'seqpacket'
}

export const connectUnixOptionNames = [
  'type',
  ...connectionOptionNames,
  ...waitOptionNames,
] as const

/**
 * Connects to a Unix socket: a path, or `@name` for an abstract name (Linux). It waits while the
 * server's backlog is full. Not on Windows, which has {@link connectNamedPipe}.
 *
 * Node up to version 20 pads abstract names that it listens on; if nobody listens on the exact name,
 * the padded one is tried.
 *
 * @throws (rejects) `ENOENT`, `ECONNREFUSED`, `EACCES`, `EPROTOTYPE`, `ERR_SLUICE_TIMEOUT`, the signal's
 * reason. `ERR_SLUICE_INVALID_ARGUMENT`, and `ERR_SLUICE_UNSUPPORTED` on Windows (throws).
 *
 * @example
 * ```ts
 * const server = await UnixServer.listen('/run/app/app.sock') // by another process
 * const connection = await connectUnix('/run/app/app.sock', { timeout: 1000 })
 * const accepted = await server.accept()
 * accepted.pipe(accepted)
 * connection.end('hello')
 * for await (const chunk of connection) console.log(chunk.toString())
 * server.close()
 * ```
 */
export function connectUnix(
  address: string,
  options: ConnectUnixOptions = {},
): Promise<UnixConnection> {
  requireSockets()
  checkString('address', address)
  options = ownOptions(options, connectUnixOptionNames)
  checkConnectionType(options.type)
  checkUnixConnectionOptions(options)
  checkWaitOptions(options)
  native.checkAddress(address)
  const { type = 'stream' } = options

  let handle: SocketHandle | undefined
  const attempt = (): UnixConnection | typeof notYet => {
    handle ??= openSocket(type, options)
    let failure = handle.connect(address, false)
    if (failure === refused && address.startsWith('@')) failure = handle.connect(address, true)
    // A full backlog is told by EAGAIN, and no readiness tells when it has room again.
    if (failure === again) return notYet
    if (failure < 0) {
      handle.close()
      throw connectError(address, failure)
    }
    return new UnixConnection(handle, type, options)
  }
  return retry(`connecting to '${address}'`, attempt, shortBackoff, options, () => {
    handle?.close()
  })
}

export function checkConnectionType(type: unknown): void {
  if (type !== undefined && type !== 'stream' && type !== 'seqpacket') {
    throw invalidArgument('options.type', "'stream' or 'seqpacket'", type)
  }
}

function openSocket(type: 'stream' | 'seqpacket', options: UnixConnectionOptions): SocketHandle {
  const handle = native.openSocket(type)
  try {
    setBufferSizes(handle, options)
    return handle
  } catch (error) {
    handle.close()
    throw error
  }
}

const hints: Partial<Record<SystemErrorCode, string>> = {
  ENOENT: 'no server has made it',
  ECONNREFUSED: 'no server listens there',
  EACCES: "the socket's permissions, or a directory's, forbid it",
  EPROTOTYPE: 'the server is of another type: stream, seqpacket or datagram',
}

function connectError(address: string, failure: number): Error {
  const hint = hints[systemErrorCode(failure)]
  return systemError(`cannot connect to '${address}'`, 'connect', failure, { address, hint })
}
