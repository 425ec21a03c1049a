import { checkOptions, invalidArgument } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native } from './native.js'
import type { PipeHandle } from './native.js'
import {
  aborted,
  checkWaitOptions,
  notYet,
  waitOptionNames,
  WaitQueue,
  type WaitOptions,
} from '../core/waiting.js'
import { pipePath } from './name.js'
import {
  connectionOptionNames,
  NamedPipeConnection,
  type NamedPipeConnectionOptions,
} from './named_pipe_connection.js'
import { checkConnectionOptions, checkPipeMode } from './options.js'
import { serverPeer } from './peer.js'
import { PipeIo } from './pipe_io.js'
import { requirePipes } from './native.js'
import { checkSid } from './security.js'
import { Outcome } from './win32_errors.js'

/** Whose pipe is accepted. */
export type ExpectedServer = 'current-user' | 'any' | { sid: string }

export interface ConnectNamedPipeOptions extends NamedPipeConnectionOptions, WaitOptions {
  /**
   * Who must be the owner of the pipe; default `'current-user'`. Anybody may make a pipe of a name
   * that nobody has; with `'any'` you do not know whom you talk to.
   */
  server?: ExpectedServer
  /**
   * What the server may do with this process's identity: learn it (the default), not even that, or
   * act with it.
   */
  impersonation?: 'anonymous' | 'identification' | 'impersonation'
  /** As the server's; default `'byte'`, which reads any pipe as a stream. */
  mode?: 'byte' | 'message'
}

// SECURITY_ANONYMOUS, SECURITY_IDENTIFICATION, SECURITY_IMPERSONATION
const impersonationFlags = { anonymous: 0, identification: 0x10000, impersonation: 0x20000 }

const shortestPauseMs = 1
const longestPauseMs = 32

/**
 * Connects to a named pipe of this machine. It waits while all instances of the pipe are taken.
 *
 * @throws (rejects) `ERR_SLUICE_SYSTEM` (`ERROR_FILE_NOT_FOUND` when there is no such pipe,
 * `ERROR_ACCESS_DENIED`), `ERR_SLUICE_UNTRUSTED_OWNER`, `ERR_SLUICE_INVALID_ARGUMENT` when
 * `mode: 'message'` is asked of a pipe of bytes, `ERR_SLUICE_TIMEOUT`, the signal's reason.
 *
 * @example
 * ```ts
 * const connection = await connectNamedPipe('app', { timeout: 1000 })
 * connection.pipe(process.stdout)
 * connection.end('hello\n')
 * ```
 */
export function connectNamedPipe(
  name: string,
  options: ConnectNamedPipeOptions = {},
): Promise<NamedPipeConnection> {
  requirePipes()
  const path = pipePath(name)
  checkOptions(options, [
    'server',
    'impersonation',
    'mode',
    ...connectionOptionNames,
    ...waitOptionNames,
  ])
  checkPipeMode(options.mode)
  checkConnectionOptions(options)
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
  const prepare = async (handle: PipeHandle): Promise<() => NamedPipeConnection> => {
    const owner = handle.owner()
    checkServer(path, owner, expected)
    const messageType = handle.messageType()
    if (mode === 'message' && !messageType) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        `'${path}' is a pipe of bytes: options.mode must be 'byte'`,
      )
    }
    // The name of an account may have to be asked of another machine.
    const peer = await serverPeer(handle, owner)
    return () => new NamedPipeConnection(new PipeIo(handle), { mode, messageType }, peer, options)
  }
  return connect(path, impersonationFlags[impersonation], prepare, options)
}

/** Tries until it is not busy. Nothing of it blocks: a free instance is there at once or not. */
function connect(
  path: string,
  flags: number,
  prepare: (handle: PipeHandle) => Promise<() => NamedPipeConnection>,
  options: WaitOptions,
): Promise<NamedPipeConnection> {
  let timer: NodeJS.Timeout | undefined
  let pause = shortestPauseMs
  let handle: PipeHandle | undefined
  let finish: () => NamedPipeConnection | typeof notYet = () => notYet
  const queue = new WaitQueue(() => {
    clearTimeout(timer)
    handle?.close()
  })
  const attempt = (): NamedPipeConnection | typeof notYet => {
    if (handle !== undefined) return finish()
    const opened = openUnlessBusy(path, flags)
    if (opened === undefined) return notYet
    handle = opened
    prepare(opened).then(
      (made) => {
        finish = made
        queue.service()
      },
      (error: unknown) => {
        opened.close()
        finish = () => {
          throw error
        }
        queue.service()
      },
    )
    return notYet
  }
  const promise = queue.add(`connecting to '${path}'`, attempt, options)
  const tryNow = () => {
    queue.service()
    if (queue.length === 0 || handle !== undefined) return
    // Jitter, so that those who wait do not come all at once.
    timer = setTimeout(tryNow, pause * (0.5 + Math.random()))
    pause = Math.min(pause * 2, longestPauseMs)
  }
  tryNow()
  return promise
}

function openUnlessBusy(path: string, flags: number): PipeHandle | undefined {
  try {
    return new native.PipeHandle(path, flags)
  } catch (error) {
    if (error instanceof SluiceError && error.errno === -Outcome.pipeBusy) return undefined
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
  checkOptions(server, ['sid'])
  const { sid } = server as { sid?: unknown }
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
