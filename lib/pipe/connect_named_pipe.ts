import { invalidArgument, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { retry, shortBackoff } from '../core/retry.js'
import { native } from './native.js'
import type { PipeHandle } from './native.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet } from '../core/wait_queue.js'
import { pipePath } from './name.js'
import {
  connectionOptionNames,
  NamedPipeConnection,
  type NamedPipeConnectionOptions,
} from './named_pipe_connection.js'
import { checkPipeOptions, checkPipeMode } from './options.js'
import { serverPeer } from './peer.js'
import { PipeIo } from './pipe_io.js'
import { requirePipes } from './native.js'
import { checkSid } from './security.js'

/** Whose pipe {@link connectNamedPipe} accepts. */
export type ExpectedServer = 'current-user' | 'any' | { sid: string }

/** The options of {@link connectNamedPipe}. */
export interface ConnectNamedPipeOptions extends NamedPipeConnectionOptions, WaitOptions {
  /**
   * The user who must own the pipe; default `'current-user'`. Anybody may make a pipe of a name
   * that nobody has; with `'any'` you do not know whom you talk to.
   */
  server?: ExpectedServer
  /**
   * How far the server may use this process's identity: learn it (`'identification'`, the default), not
   * even that, or act with it.
   */
  impersonation?: 'anonymous' | 'identification' | 'impersonation'
  /** The server's mode; default `'byte'`, which reads any pipe as a stream. */
  mode?: 'byte' | 'message'
}

export const connectNamedPipeOptionNames = [
  'server',
  'impersonation',
  'mode',
  ...connectionOptionNames,
  ...waitOptionNames,
] as const

// SECURITY_ANONYMOUS, SECURITY_IDENTIFICATION, SECURITY_IMPERSONATION
const impersonationFlags = { anonymous: 0, identification: 0x10000, impersonation: 0x20000 }

// All instances may be taken, for which nothing tells when one is free.
const backoff = { ...shortBackoff, jitter: true }

/**
 * Connects to a named pipe of this machine. It waits while all instances of the pipe are taken. Windows
 * only; elsewhere take {@link connectUnix}.
 *
 * @throws (rejects) `ENOENT` when there is no such pipe, `EPERM` when this user may not connect,
 * `ERR_SLUICE_UNTRUSTED_OWNER`, `ERR_SLUICE_INVALID_ARGUMENT` when `mode: 'message'` is asked of a
 * pipe of bytes, `ERR_SLUICE_TIMEOUT`, the signal's reason. `ERR_SLUICE_UNSUPPORTED` on other
 * systems (throws).
 *
 * @example
 * ```ts
 * const server = await NamedPipeServer.listen('app') // by another process
 * const connection = await connectNamedPipe('app', { timeout: 1000 })
 * const accepted = await server.accept()
 * accepted.end('hello')
 * for await (const chunk of connection) console.log(chunk.toString())
 * server.close()
 * ```
 */
export function connectNamedPipe(
  name: string,
  options: ConnectNamedPipeOptions = {},
): Promise<NamedPipeConnection> {
  requirePipes()
  const path = pipePath(name)
  options = ownOptions(options, connectNamedPipeOptionNames)
  checkPipeMode(options.mode)
  checkPipeOptions(options)
  checkWaitOptions(options)
  const { impersonation = 'identification', mode = 'byte', signal } = options
  if (!Object.hasOwn(impersonationFlags, impersonation)) {
    throw invalidArgument(
      'options.impersonation',
      "'anonymous', 'identification' or 'impersonation'",
      impersonation,
    )
  }
  const expected = expectedOwner(options.server ?? 'current-user')
  if (signal?.aborted === true) return aborted(signal)
  let handle: PipeHandle | undefined
  const attempt = (): Promise<NamedPipeConnection> | typeof notYet => {
    handle = openUnlessBusy(path, impersonationFlags[impersonation])
    return handle === undefined ? notYet : finish(handle)
  }
  const finish = async (opened: PipeHandle): Promise<NamedPipeConnection> => {
    try {
      const owner = opened.owner()
      checkServer(path, owner, expected)
      const messageType = opened.messageType()
      if (mode === 'message' && !messageType) {
        throw new SluiceError(
          'ERR_SLUICE_INVALID_ARGUMENT',
          `'${path}' is a pipe of bytes: options.mode must be 'byte'`,
        )
      }
      // The name of an account may have to be asked of another machine.
      const peer = await serverPeer(opened, owner)
      if (abandoned) throw new SluiceError('ERR_SLUICE_CLOSED', 'nobody waits any more')
      made = new NamedPipeConnection(new PipeIo(opened), { mode, messageType }, peer, options)
      return made
    } catch (error) {
      opened.close()
      throw error
    }
  }
  let abandoned = false
  let made: NamedPipeConnection | undefined
  // Nothing of an attempt blocks: a free instance is there at once or not.
  return retry(`connecting to '${path}'`, attempt, backoff, options, () => {
    abandoned = true
    if (made === undefined) handle?.close()
    else made.destroy()
  })
}

function openUnlessBusy(path: string, flags: number): PipeHandle | undefined {
  try {
    return new native.PipeHandle(path, flags)
  } catch (error) {
    if (error instanceof SluiceError && error.win32 === 'ERROR_PIPE_BUSY') return undefined
    throw error
  }
}

/** Undefined: anybody. */
function expectedOwner(server: unknown): string | undefined {
  if (server === 'any') return undefined
  if (server === 'current-user') return native.currentUserSid()
  if (typeof server !== 'object' || server === null) {
    throw invalidArgument('options.server', "'current-user', 'any' or { sid }", server)
  }
  const { sid }: { sid?: unknown } = ownOptions(server, ['sid'], 'options.server')
  checkSid('options.server.sid', sid)
  return sid
}

function checkServer(path: string, owner: string, expected: string | undefined): void {
  if (expected === undefined || owner === expected) return
  throw new SluiceError(
    'ERR_SLUICE_UNTRUSTED_OWNER',
    `the pipe '${path}' belongs to ${owner}, not to ${expected}; ` +
      'pass the server option if that is whom you want to talk to',
    { address: path },
  )
}
