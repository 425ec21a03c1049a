/** From what `NamedPipeServer.listen` is given to a pipe that waits for clients. */
import { checkBoolean, checkInteger, invalidArgument, ownOptions } from '../core/arguments.js'
import type { ConnectionAddresses } from '../transport/addresses.js'
import { checkServerOptions, serverOptionNames, type ServerOptions } from '../transport/server.js'
import { pipePath } from './name.js'
import {
  connectionOptionNames,
  type NamedPipeConnection,
  type NamedPipeConnectionOptions,
} from './named_pipe_connection.js'
import { requirePipes, type InstanceOptions } from './native.js'
import { checkPipeOptions, checkPipeMode } from './options.js'
import { PipeAcceptor, type ServerPipe } from './pipe_acceptor.js'
import { securityDescriptor, type PipeSecurity } from './security.js'

/** The options of {@link NamedPipeServer.listen}. */
export interface ListenNamedPipeOptions
  extends NamedPipeConnectionOptions, ServerOptions<NamedPipeConnection> {
  /** The users who may connect; default `'current-user'`. */
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

export const listenNamedPipeOptionNames = [
  ...ownOptionNames,
  ...connectionOptionNames,
  ...serverOptionNames,
] as const

const unlimitedInstances = 255
const mostPending = 254
const defaultPending = 4

/** A pipe whose name and options were checked. */
export interface CheckedPipe {
  readonly pipe: ServerPipe
  /** The options that are its own. */
  readonly options: Readonly<ListenNamedPipeOptions>
  /** Takes the name. Throws when it cannot be had. */
  listen(): PipeAcceptor
}

/** `addresses`: the note for each connection. @throws `ERR_SLUICE_INVALID_ARGUMENT` */
export function prepareToListenOnPipe(
  name: string,
  options: ListenNamedPipeOptions,
  addresses?: ConnectionAddresses,
): CheckedPipe {
  requirePipes()
  const path = pipePath(name)
  options = ownOptions(options, listenNamedPipeOptionNames)
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
  const { security = 'current-user' } = options
  checkServerOptions(options)
  const sddl = securityDescriptor(security, rejectRemote)
  const instance: InstanceOptions = {
    first: firstInstance,
    rejectRemote,
    message: halfClose,
    maxInstances: maxInstances ?? unlimitedInstances,
    inBufferSize,
    outBufferSize,
  }
  const { mode = 'byte' } = options
  const pipe = { path, sddl, instance, mode, poolSize: pendingInstances, addresses }
  return { pipe, options, listen: () => new PipeAcceptor(pipe, options) }
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
