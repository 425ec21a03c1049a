import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { LocalServer } from '../core/local_server.js'
import { native } from './native.js'
import type { InstanceOptions } from './native.js'
import { aborted, checkWaitOptions } from '../core/waiting.js'
import { pipePath } from './name.js'
import {
  connectionOptionNames,
  NamedPipeConnection,
  type NamedPipeConnectionOptions,
} from './named_pipe_connection.js'
import { checkConnectionOptions, checkPipeMode } from './options.js'
import { clientPeer, type NamedPipePeer } from './peer.js'
import { PipeIo } from './pipe_io.js'
import { requirePipes } from './native.js'
import { securityDescriptor, type PipeSecurity } from './security.js'
import { Outcome } from './win32_errors.js'

export interface ListenNamedPipeOptions extends NamedPipeConnectionOptions {
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
  /** Closes the server when it aborts. */
  signal?: AbortSignal
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
  'signal',
] as const

const unlimitedInstances = 255
const mostPending = 254
const retryPauseMs = 20

/**
 * A server on a named pipe.
 *
 * The name belongs to the server from the first instant to `close()`: at no time is it without an
 * instance, on which somebody else could squat. Some instances always wait for clients, so an
 * `accept` that is cancelled leaves nothing behind, and a client that connected is kept for the
 * next. They also keep the server itself, which has to be closed, until then.
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
export class NamedPipeServer extends LocalServer<NamedPipeConnection> {
  /** The whole path: `'\\\\.\\pipe\\app'`. */
  readonly address: string
  readonly mode: 'byte' | 'message'
  readonly #sddl: string
  readonly #instance: InstanceOptions
  readonly #options: ListenNamedPipeOptions
  readonly #pendingInstances: number
  /** Instances that wait for a client, or ask who it is. */
  readonly #waiting = new Set<PipeIo>()
  #ref = true
  #retry: NodeJS.Timeout | undefined

  private constructor(
    path: string,
    sddl: string,
    instance: InstanceOptions,
    options: ListenNamedPipeOptions,
  ) {
    super(options.signal)
    this.address = path
    this.mode = options.mode ?? 'byte'
    this.#sddl = sddl
    this.#instance = instance
    this.#options = options
    this.#pendingInstances = options.pendingInstances ?? 4
    this.#addInstance(instance.first)
    try {
      this.#fill()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * Listens on a pipe of this machine: a name, or `\\.\pipe\` and a name.
   *
   * @throws (rejects) `ERR_SLUICE_SYSTEM`: `ERROR_ACCESS_DENIED` when somebody else has the name,
   * `ERROR_PIPE_BUSY` when all its instances are taken. `ERR_SLUICE_INVALID_ARGUMENT` (throws), for
   * a security descriptor that cannot be parsed as well.
   */
  static listen(name: string, options: ListenNamedPipeOptions = {}): Promise<NamedPipeServer> {
    requirePipes()
    const path = pipePath(name)
    checkOptions(options, [...ownOptionNames, ...connectionOptionNames])
    const { pendingInstances = 4, maxInstances, firstInstance = true } = options
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
    checkConnectionOptions(options)
    checkHalfClose(halfClose, options)
    const { security = 'current-user', signal } = options
    checkWaitOptions({ signal })
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
      return Promise.resolve(new NamedPipeServer(path, sddl, instance, { ...options }))
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  // The transport's part of LocalServer.

  protected override set referenced(ref: boolean) {
    this.#ref = ref
    if (ref) this.#retry?.ref()
    else this.#retry?.unref()
    for (const io of this.#waiting) io.ref = ref
  }

  protected override look(): void {
    // Clients that connect are told of by themselves.
  }

  protected override acceptsChanged(): void {
    // The instances wait for clients whether anybody accepts them or not.
  }

  /** Another instance waits in its place before a connection is handed out. */
  protected override beforeTaking(): void {
    this.#tryToFill(1)
  }

  protected override release(): void {
    clearTimeout(this.#retry)
    for (const io of this.#waiting) io.abandon()
    this.#waiting.clear()
  }

  /** It is tried again when a connection has closed, or after a while if none is left to wait for. */
  #tryToFill(leaving = 0): void {
    try {
      this.#fill(leaving)
    } catch {
      // The system has no more to give for now.
    }
    if (this.closed || this.#waiting.size + this.pooled > leaving) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => {
      this.#tryToFill()
    }, retryPauseMs)
    if (!this.#ref) this.#retry.unref()
  }

  /** Sees to it that as many instances as are wanted wait, or have a client that waits. */
  #fill(leaving = 0): void {
    try {
      while (!this.closed && this.#waiting.size + this.pooled - leaving < this.#pendingInstances) {
        this.#addInstance(false)
      }
    } catch (error) {
      // As many as there can be: it is tried again when a connection has closed.
      if (!isBusy(error)) throw error
    }
  }

  #addInstance(first: boolean): void {
    const handle = new native.PipeHandle(this.address, this.#sddl, { ...this.#instance, first })
    const io = new PipeIo(handle)
    io.ref = this.#ref
    this.#waiting.add(io)
    this.#waitForClient(io)
  }

  #waitForClient(io: PipeIo): void {
    const connected = (code: number) => {
      if (code === Outcome.done) this.#ask(io)
      else this.#recycle(io)
    }
    const outcome = io.connect(connected)
    if (outcome === Outcome.pending) return
    // Not at once: instances are made in the middle of other things.
    setImmediate(() => {
      if (this.#waiting.has(io)) connected(outcome)
    })
  }

  /** A client came and went. */
  #recycle(io: PipeIo): void {
    if (io.handle.disconnect() === Outcome.done) {
      this.#waitForClient(io)
      return
    }
    // A new one first, so that the name is never without an instance.
    try {
      this.#addInstance(false)
    } catch {
      // See below.
    }
    this.#waiting.delete(io)
    io.abandon()
    this.#tryToFill()
  }

  #ask(io: PipeIo): void {
    io.identify((code) => {
      void clientPeer(io.handle, io.identity).then((peer) => {
        if (this.#waiting.has(io)) this.#admit(io, peer, code === Outcome.cannotImpersonate)
      })
    })
  }

  #admit(io: PipeIo, peer: NamedPipePeer, askAgain: boolean): void {
    const again = async (): Promise<NamedPipePeer> => {
      await new Promise((resolve) => {
        io.identify(resolve)
      })
      return clientPeer(io.handle, io.identity)
    }
    const kind = { mode: this.mode, messageType: this.#instance.message }
    const connection = new NamedPipeConnection(
      io,
      kind,
      peer,
      this.#options,
      askAgain ? again : undefined,
    )
    io.ref = true
    connection.once('close', () => {
      this.#tryToFill()
    })
    this.#waiting.delete(io)
    this.offer(connection)
    this.serve()
  }
}

/** What would have no effect. */
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

function isBusy(error: unknown): boolean {
  return error instanceof SluiceError && error.errno === -Outcome.pipeBusy
}
