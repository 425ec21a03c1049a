import {
  checkBoolean,
  checkedBefore,
  checkInteger,
  invalidArgument,
  ownOptions,
} from '../core/arguments.js'
import { aborted } from '../core/wait_options.js'
import {
  checkServerOptions,
  Server,
  serverOptionNames,
  type ServerOptions,
} from '../transport/server.js'
import { pipePath } from './name.js'
import {
  connectionOptionNames,
  type NamedPipeConnection,
  type NamedPipeConnectionOptions,
} from './named_pipe_connection.js'
import { requirePipes, type InstanceOptions } from './native.js'
import { checkPipeOptions, checkPipeMode } from './options.js'
import { PipeAcceptor } from './pipe_acceptor.js'
import { securityDescriptor, type PipeSecurity } from './security.js'

export interface ListenNamedPipeOptions
  extends NamedPipeConnectionOptions, ServerOptions<NamedPipeConnection> {
  /** Default `'current-user'`. */
  security?: PipeSecurity
  /** Default `'byte'`. With `'message'` the boundaries of writes are kept. */
  mode?: 'byte' | 'message'
  /**
   * Default false. True, with `mode: 'byte'`: `end()` ends the writing side only. The pipe is then
   * one of messages to the system, and a message without bytes is the end; clients that are not
   * sluice must know that. With `mode: 'message'` it is always so.
   */
  halfClose?: boolean
  /**
   * Connections there can be at once, those that wait included; default no limit, at most 254. To
   * Windows one is there until its client has closed it, too.
   */
  maxInstances?: number
  /** How many clients can connect before they are accepted; default 4. */
  pendingInstances?: number
  /** Default true: fail if somebody else has the name. */
  firstInstance?: boolean
  /** Default true: only clients on this machine. */
  rejectRemote?: boolean
  /** Bytes that the system keeps of what clients write; default 64 KiB. */
  inBufferSize?: number
  /** Bytes that the system keeps of what is written to clients; default 64 KiB. */
  outBufferSize?: number
}

const ownOptionNames = [
  'security',
  'mode',
  'halfClose',
  'maxInstances',
  'pendingInstances',
  'firstInstance',
  'rejectRemote',
  'inBufferSize',
  'outBufferSize',
] as const

const unlimitedInstances = 255
const mostPending = 254
const defaultPending = 4

/**
 * A server on a named pipe.
 *
 * The name belongs to the server from the first instant to `close()`: at no time is it without an
 * instance, on which somebody else could squat. Some instances always wait for clients, so an
 * `accept` that is cancelled leaves nothing behind, and a client that connected is kept for the
 * next. They also keep the server itself, which has to be closed, until then.
 *
 * One exception: with `maxConnections`, no instance waits while that many are open, and the name is free
 * for a moment if all of them close at once.
 *
 * Sources: Named Pipes, CreateNamedPipe, Named Pipe Security and Access Rights (learn.microsoft.com).
 *
 * @example
 * ```ts
 * const server = await NamedPipeServer.listen('app')
 * for await (const connection of server) {
 *   if (connection.peer.sameUser) connection.pipe(connection)
 *   else connection.destroy()
 * }
 * ```
 */
export class NamedPipeServer extends Server<NamedPipeConnection> {
  /** The whole path: `'\\\\.\\pipe\\app'`. */
  readonly address: string
  readonly mode: 'byte' | 'message'

  private constructor(
    path: string,
    sddl: string,
    instance: InstanceOptions,
    options: ListenNamedPipeOptions,
  ) {
    const { mode = 'byte', pendingInstances = defaultPending } = options
    const pipe = { path, sddl, instance, mode, poolSize: pendingInstances }
    super(new PipeAcceptor(pipe, options), options, checkedBefore)
    this.address = path
    this.mode = mode
  }

  /**
   * Listens on a pipe of this machine: a name, or `\\.\pipe\` and a name.
   *
   * @throws (rejects) `EADDRINUSE` when somebody else has the name, or all its instances are taken;
   * `EACCES` for a name that cannot be. `ERR_SLUICE_INVALID_ARGUMENT` (throws), for a security
   * descriptor that cannot be parsed as well.
   */
  static listen(name: string, options: ListenNamedPipeOptions = {}): Promise<NamedPipeServer> {
    requirePipes()
    const path = pipePath(name)
    options = ownOptions(options, [
      ...ownOptionNames,
      ...connectionOptionNames,
      ...serverOptionNames,
    ])
    const { pendingInstances = defaultPending, maxInstances, firstInstance = true } = options
    const {
      halfClose = options.mode === 'message',
      rejectRemote = true,
      inBufferSize = 65536,
      outBufferSize = 65536,
    } = options
    checkPipeMode(options.mode)
    checkInteger('options.pendingInstances', pendingInstances, 1, mostPending)
    if (maxInstances !== undefined) {
      checkInteger('options.maxInstances', maxInstances, 1, mostPending)
      if (pendingInstances > maxInstances && options.pendingInstances !== undefined) {
        throw invalidArgument(
          'options.pendingInstances',
          `no more than options.maxInstances, ${String(maxInstances)}`,
          pendingInstances,
        )
      }
    }
    checkBoolean('options.halfClose', halfClose)
    checkBoolean('options.firstInstance', firstInstance)
    checkBoolean('options.rejectRemote', rejectRemote)
    checkInteger('options.inBufferSize', inBufferSize, 0, 2 ** 30)
    checkInteger('options.outBufferSize', outBufferSize, 0, 2 ** 30)
    checkPipeOptions(options)
    checkHalfClose(halfClose, options)
    const { security = 'current-user', signal } = options
    checkServerOptions(options)
    const sddl = securityDescriptor(security, rejectRemote)
    if (signal?.aborted === true) return aborted(signal)
    const instance: InstanceOptions = {
      first: firstInstance,
      rejectRemote,
      message: halfClose,
      maxInstances: maxInstances ?? unlimitedInstances,
      inBufferSize,
      outBufferSize,
    }
    try {
      return Promise.resolve(new NamedPipeServer(path, sddl, instance, options))
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }
}

/** Refuses options that would have no effect on such a pipe. */
function checkHalfClose(halfClose: boolean, { mode, allowHalfOpen }: ListenNamedPipeOptions): void {
  if (mode === 'message' && !halfClose) {
    throw invalidArgument('options.halfClose', "true with options.mode 'message'", halfClose)
  }
  if (allowHalfOpen === true && !halfClose) {
    throw invalidArgument(
      'options.allowHalfOpen',
      "false unless options.halfClose is true or options.mode is 'message'",
      allowHalfOpen,
    )
  }
}
