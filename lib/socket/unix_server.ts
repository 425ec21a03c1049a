import {
  checkFunction,
  checkInteger,
  checkOptions,
  checkString,
  invalidArgument,
} from '../core/arguments.js'
import { SluiceError, systemError } from '../core/errors.js'
import { closed, closerOf, releaseWhenForgotten } from '../core/forgotten.js'
import { native } from '../core/native.js'
import type { SocketHandle } from '../core/native_sockets.js'
import {
  aborted,
  checkWaitOptions,
  notYet,
  WaitQueue,
  waitOptionNames,
  type WaitOptions,
} from '../core/waiting.js'
import { Readiness } from '../core/watches.js'
import { checkConnectionType } from './connect_unix.js'
import {
  checkConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type ConnectionOptions,
} from './connection_options.js'
import { again, isExhaustion } from './errno.js'
import { descriptorNumber, type DescriptorSource } from './file_descriptor.js'
import {
  bindOptionNames,
  checkBindOptions,
  makeDirectoryOf,
  type BindOptions,
} from './listen_options.js'
import type { PeerCredentials } from './peer_credentials.js'
import { requireSockets } from './platform.js'
import { SocketWatch } from './socket_watch.js'
import { UnixConnection } from './unix_connection.js'

/** Decides before a byte is read. */
export type Authorize = (
  peer: PeerCredentials,
  connection: UnixConnection,
) => boolean | Promise<boolean>

export interface ListenUnixOptions extends BindOptions, ConnectionOptions {
  /** Default `'stream'`; with `fd`, the socket's own. */
  type?: 'stream' | 'seqpacket'
  /** Connections that the kernel keeps for `accept`; default 511. */
  backlog?: number
  /** Closes the server when it aborts. */
  signal?: AbortSignal
  /** See {@link allow}. A connection that is refused is closed; so is one for which it throws. */
  authorize?: Authorize
}

const ownOptionNames = ['type', 'backlog', 'signal', 'authorize'] as const
const defaultBacklog = 511

// Taken from the kernel at once, and kept for the accepts to come.
const poolSize = 16
// Decisions that are waited for at once.
const mostUndecided = 64
const pauseMs = 100

/**
 * A server on a Unix socket.
 *
 * An accepted connection is never lost: one whose `accept` was cancelled is kept for the next.
 *
 * @example
 * ```ts
 * const server = await UnixServer.listen('/run/app/app.sock', {
 *   mode: 0o666,
 *   authorize: allow({ groups: ['app'] }),
 * })
 * for await (const connection of server) {
 *   console.log('hello', connection.peer.uid)
 *   connection.pipe(connection)
 * }
 * ```
 */
export class UnixServer {
  /** As it was given to `listen`; undefined for a socket without a name. */
  readonly address: string | undefined
  readonly type: 'stream' | 'seqpacket'
  readonly #handle: SocketHandle
  readonly #options: ListenUnixOptions
  readonly #watch: SocketWatch
  readonly #accepts: WaitQueue
  readonly #pool: UnixConnection[] = []
  readonly #undecided = new Set<UnixConnection>()
  readonly #abort = () => {
    this.close()
  }
  #open = true
  #pause: NodeJS.Timeout | undefined
  #warned = false
  #mayHavePending = true

  private constructor(
    handle: SocketHandle,
    type: 'stream' | 'seqpacket',
    address: string | undefined,
    options: ListenUnixOptions,
  ) {
    this.#handle = handle
    this.type = type
    this.address = address
    this.#options = options
    this.#watch = new SocketWatch(handle, () => {
      this.#onReadable()
    })
    this.#accepts = new WaitQueue(() => {
      this.#updateWatch()
    })
    // As other servers do: an open one keeps the process alive.
    this.#watch.set(Readiness.idle)
    options.signal?.addEventListener('abort', this.#abort)
    releaseWhenForgotten(this, `UnixServer ${address ?? ''}`.trim(), closerOf(handle))
  }

  /**
   * Listens on a path, on `@name` (Linux: an abstract name, which has no permissions), or on a
   * socket that was inherited or received and already listens; that is duplicated, stays the
   * caller's to close, and its name is not removed.
   *
   * @throws (rejects) `ERR_SLUICE_SYSTEM`: `EADDRINUSE`, `EACCES`, `ENOENT`; for an `fd` `EBADF`,
   * `ENOTSOCK`. `ERR_SLUICE_INVALID_ARGUMENT` (throws).
   */
  static listen(
    address: string | { readonly fd: DescriptorSource },
    options: ListenUnixOptions = {},
  ): Promise<UnixServer> {
    requireSockets()
    checkOptions(options, [...ownOptionNames, ...bindOptionNames, ...connectionOptionNames])
    checkConnectionType(options.type)
    checkInteger('options.backlog', options.backlog ?? defaultBacklog, 1, 2 ** 31 - 1)
    checkBindOptions(options)
    checkConnectionOptions(options)
    checkWaitOptions({ signal: options.signal })
    if (options.authorize !== undefined) checkFunction('options.authorize', options.authorize)
    const open = prepare(address, options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    try {
      const { handle, type, name } = open()
      return Promise.resolve(new UnixServer(handle, type, name, { ...options }))
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  get closed(): boolean {
    return !this.#open
  }

  /** The listening descriptor, to send or to inherit; it stays the server's to close. */
  get fd(): number {
    if (!this.#open) throw closedError()
    return this.#handle.descriptor()
  }

  /**
   * The next connection.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL` beyond 1024
   * waiting accepts, the signal's reason.
   */
  accept(options: WaitOptions = {}): Promise<UnixConnection> {
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#open) return Promise.reject(closedError())
    const first = this.#accepts.length === 0
    const promise = this.#accepts.add('accept', () => this.#pool.shift() ?? notYet, options)
    if (first) {
      // Otherwise the watch says when somebody comes; a look now would mostly be in vain.
      const look = this.#mayHavePending || options.timeout !== undefined
      if (this.#pool.length === 0 && look) this.#takePending()
      this.#accepts.service()
    }
    this.#updateWatch()
    return promise
  }

  /** The connections, until the server is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<UnixConnection, void, void> {
    while (this.#open) {
      let connection: UnixConnection
      try {
        connection = await this.accept()
      } catch (error) {
        if (!this.#open) return
        throw error
      }
      yield connection
    }
  }

  /** The server keeps the process alive again. */
  ref(): this {
    this.#watch.ref = true
    this.#accepts.ref = true
    return this
  }

  /** The server no longer keeps the process alive. */
  unref(): this {
    this.#watch.ref = false
    this.#accepts.ref = false
    return this
  }

  /**
   * Closes the server and leaves its path where it is, for whoever else has the listening socket: a
   * successor to which it was sent.
   */
  leave(): void {
    if (this.#open) this.#handle.leaveName()
    this.close()
  }

  /**
   * Stops listening, removes the path if it still is this server's, and closes connections that
   * nobody has accepted. Those that were accepted live on. Idempotent.
   */
  close(): void {
    if (!this.#open) return
    this.#open = false
    closed(this)
    clearTimeout(this.#pause)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#watch.close()
    this.#handle.close()
    for (const connection of [...this.#pool.splice(0), ...this.#undecided]) connection.destroy()
    this.#undecided.clear()
    const signal = this.#options.signal
    this.#accepts.fail(signal?.aborted === true ? signal.reason : closedError())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #onReadable(): void {
    if (this.#accepts.length > 0) {
      this.#takePending()
      this.#accepts.service()
      this.#updateWatch()
    } else {
      // Left on since the last accept, and not wanted any more.
      this.#mayHavePending = true
      this.#watch.set(Readiness.idle)
    }
  }

  /** Takes what waits in the kernel, as far as there is room here. */
  #takePending(): void {
    const room = Math.min(
      poolSize - this.#pool.length,
      this.#options.authorize === undefined ? poolSize : mostUndecided - this.#undecided.size,
    )
    if (room <= 0 || this.#pause !== undefined) return
    const accepted = this.#handle.accept(room)
    if (typeof accepted !== 'number') {
      this.#warned = false
      this.#mayHavePending = accepted.length === room
      for (const handle of accepted) this.#admit(handle)
    } else if (isExhaustion(accepted)) {
      this.#pauseAccepting(accepted)
    } else if (accepted === again) {
      this.#mayHavePending = false
    } else {
      this.#accepts.fail(systemError('cannot accept a connection', 'accept', accepted))
    }
  }

  #admit(handle: SocketHandle): void {
    let connection: UnixConnection
    try {
      setBufferSizes(handle, this.#options)
      connection = new UnixConnection(handle, this.type, this.#options)
    } catch (error) {
      handle.close()
      throw error
    }
    const { authorize } = this.#options
    if (authorize === undefined) {
      this.#pool.push(connection)
      return
    }
    let verdict: boolean | Promise<boolean>
    try {
      verdict = authorize(connection.peer, connection)
    } catch (error) {
      refuse(connection, error)
      return
    }
    if (typeof verdict === 'boolean') {
      if (verdict) this.#pool.push(connection)
      else connection.destroy()
      return
    }
    this.#undecided.add(connection)
    verdict.then(
      (admitted) => {
        this.#decided(connection, admitted)
      },
      (error: unknown) => {
        this.#undecided.delete(connection)
        refuse(connection, error)
        this.#updateWatch()
      },
    )
  }

  #decided(connection: UnixConnection, admitted: boolean): void {
    if (!this.#undecided.delete(connection)) return // the server was closed
    if (admitted) this.#pool.push(connection)
    else connection.destroy()
    this.#accepts.service()
    this.#updateWatch()
  }

  /** The clients keep waiting in the kernel; to be told of them again and again would be a spin. */
  #pauseAccepting(failure: number): void {
    if (!this.#warned) {
      this.#warned = true
      const error = systemError('cannot accept a connection for now', 'accept', failure)
      process.emitWarning(`${error.message}; it is tried again every ${String(pauseMs)} ms`, {
        type: 'SluiceWarning',
        code: 'SLUICE_ACCEPT_PAUSED',
      })
    }
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#takePending()
      this.#accepts.service()
      this.#updateWatch()
    }, pauseMs)
    if (!this.#watch.ref) this.#pause.unref()
  }

  #updateWatch(): void {
    if (!this.#open || this.#accepts.length === 0) return
    const wanted =
      this.#pause === undefined &&
      this.#pool.length < poolSize &&
      this.#undecided.size < mostUndecided
    this.#watch.set(wanted ? Readiness.readable : Readiness.idle)
  }
}

interface Opened {
  handle: SocketHandle
  type: 'stream' | 'seqpacket'
  name: string | undefined
}

/** Checks the address; what it returns does the rest. */
function prepare(address: unknown, options: ListenUnixOptions): () => Opened {
  const { type = 'stream', mode = 0o600, removeStale = true, padded = false } = options
  if (typeof address === 'object' && address !== null) {
    const keys = Object.keys(address)
    if (keys.length !== 1 || keys[0] !== 'fd') {
      throw invalidArgument('address', 'a path, @name or { fd } and nothing else', address)
    }
    for (const name of [...bindOptionNames, 'type', 'backlog'] as const) {
      if (options[name] !== undefined) {
        throw new SluiceError(
          'ERR_SLUICE_INVALID_ARGUMENT',
          `options.${name} does not go with an fd, which already listens`,
        )
      }
    }
    const fd = descriptorNumber('address.fd', (address as { fd: unknown }).fd)
    return () => {
      const found = native.socketFromDescriptor(fd, 'listener')
      const foundType = found.type === 'seqpacket' ? found.type : 'stream'
      return { handle: found.handle, type: foundType, name: found.address }
    }
  }
  checkString('address', address)
  native.checkAddress(address)
  return () => {
    if (address.startsWith('@') && options.authorize === undefined) warnOfAbstractName(address)
    makeDirectoryOf(address, options.makeDirectory)
    const backlog = options.backlog ?? defaultBacklog
    const handle = native.bindSocket(type, address, padded, mode, removeStale, backlog)
    return { handle, type, name: address }
  }
}

let warnedOfAbstractName = false

function warnOfAbstractName(address: string): void {
  if (warnedOfAbstractName) return
  warnedOfAbstractName = true
  process.emitWarning(
    `every process of this network namespace can connect to '${address}': abstract names have no ` +
      'permissions; say with options.authorize who may',
    { type: 'SluiceWarning', code: 'SLUICE_OPEN_TO_ALL' },
  )
}

function refuse(connection: UnixConnection, error: unknown): void {
  connection.destroy()
  process.emitWarning(`authorize failed, the connection is refused: ${String(error)}`, {
    type: 'SluiceWarning',
    code: 'SLUICE_AUTHORIZE_FAILED',
  })
}

function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the server is closed')
}
