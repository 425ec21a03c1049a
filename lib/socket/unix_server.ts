import { checkInteger, checkOptions } from '../core/arguments.js'
import { systemError } from '../core/errors.js'
import { closed, releaseWhenForgotten } from '../core/forgotten.js'
import { LocalServer } from '../core/local_server.js'
import type { SocketHandle } from './native.js'
import { aborted, checkWaitOptions } from '../core/waiting.js'
import { Readiness } from '../core/native.js'
import {
  Admission,
  admissionOptionNames,
  checkAdmissionOptions,
  type AdmissionOptions,
} from './admission.js'
import { checkConnectionType } from './connect_unix.js'
import {
  checkConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type ConnectionOptions,
} from './connection_options.js'
import { again, isExhaustion } from './errno.js'
import type { DescriptorSource } from './file_descriptor.js'
import { bindOptionNames, type BindOptions } from './listen_options.js'
import { defaultBacklog, prepareToListen, type Listening } from './listening.js'
import { forgetName, namedCloserOf, removeNameAtExit } from './names_at_exit.js'
import { requireSockets } from './native.js'
import { SocketWatch } from './socket_watch.js'
import { UnixConnection } from './unix_connection.js'

export interface ListenUnixOptions extends BindOptions, ConnectionOptions, AdmissionOptions {
  /** Default `'stream'`; with `fd`, the socket's own. */
  type?: 'stream' | 'seqpacket'
  /** Connections that the kernel keeps for `accept`; default 511. */
  backlog?: number
  /** Closes the server when it aborts. */
  signal?: AbortSignal
}

const ownOptionNames = ['type', 'backlog', 'signal'] as const

// Taken from the kernel at once, and kept for the accepts to come.
const poolSize = 16
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
 *   connection.on('error', (error) => console.error(error)) // a peer's fault must not end the server
 *   connection.pipe(connection)
 * }
 * ```
 */
export class UnixServer extends LocalServer<UnixConnection> {
  /** As it was given to `listen`; undefined for a socket without a name. */
  readonly address: string | undefined
  readonly type: 'stream' | 'seqpacket'
  readonly #handle: SocketHandle
  readonly #options: ListenUnixOptions
  readonly #watch: SocketWatch
  readonly #admission: Admission
  #pause: NodeJS.Timeout | undefined
  #warned = false
  #mayHavePending = true

  private constructor({ handle, type, name }: Listening, options: ListenUnixOptions) {
    super(options.signal)
    this.#handle = handle
    this.type = type
    this.address = name
    this.#options = options
    this.#admission = new Admission(
      options,
      (connection) => {
        this.offer(connection)
      },
      () => {
        this.serve()
      },
    )
    this.#watch = new SocketWatch(handle, this)
    // As other servers do: an open one keeps the process alive.
    this.#watch.set(Readiness.idle)
    releaseWhenForgotten(this, `UnixServer ${name ?? ''}`.trim(), namedCloserOf(handle))
    removeNameAtExit(handle)
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
    checkOptions(options, [
      ...ownOptionNames,
      ...bindOptionNames,
      ...connectionOptionNames,
      ...admissionOptionNames,
    ])
    checkConnectionType(options.type)
    checkInteger('options.backlog', options.backlog ?? defaultBacklog, 1, 2 ** 31 - 1)
    checkConnectionOptions(options)
    checkWaitOptions({ signal: options.signal })
    checkAdmissionOptions(options)
    const listen = prepareToListen(address, options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    try {
      return Promise.resolve(new UnixServer(listen(), { ...options }))
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  /** The listening descriptor, to send or to inherit; it stays the server's to close. */
  get fd(): number {
    if (this.closed) throw this.closedError()
    return this.#handle.descriptor()
  }

  /**
   * Closes the server and leaves its path where it is, for whoever else has the listening socket: a
   * successor to which it was sent.
   */
  leave(): void {
    if (!this.closed) this.#handle.leaveName()
    this.close()
  }

  // The transport's part of LocalServer.

  protected override set referenced(ref: boolean) {
    this.#watch.ref = ref
    if (ref) this.#pause?.ref()
    else this.#pause?.unref()
  }

  protected override look(certainly: boolean): void {
    // Otherwise the watch says when somebody comes; a look would mostly be in vain.
    if (certainly || this.#mayHavePending) this.#takePending()
  }

  protected override acceptsChanged(): void {
    // Without one who waits the watch is left on until it reports something.
    if (this.closed || this.waiting === 0) return
    const wanted = this.#pause === undefined && this.#room > 0
    this.#watch.set(wanted ? Readiness.readable : Readiness.idle)
  }

  protected override beforeTaking(): void {
    // The kernel has the others.
  }

  protected override release(): void {
    closed(this)
    clearTimeout(this.#pause)
    this.#watch.close()
    forgetName(this.#handle)
    this.#handle.close()
    this.#admission.close()
  }

  /** @internal */
  notify(): void {
    if (this.waiting > 0) {
      this.#takePending()
      this.serve()
    } else {
      // Left on since the last accept, and not wanted any more.
      this.#mayHavePending = true
      this.#watch.set(Readiness.idle)
    }
  }

  get #room(): number {
    return Math.min(poolSize - this.pooled, this.#admission.room)
  }

  /** Takes what waits in the kernel, as far as there is room here. */
  #takePending(): void {
    const room = this.#room
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
      this.fail(systemError('cannot accept a connection', 'accept', accepted))
    }
  }

  #admit(handle: SocketHandle): void {
    // What `authorize` has closed the server for, meanwhile.
    if (this.closed) {
      handle.close()
      return
    }
    let connection: UnixConnection
    try {
      setBufferSizes(handle, this.#options)
      connection = new UnixConnection(handle, this.type, this.#options)
    } catch (error) {
      handle.close()
      this.fail(error)
      return
    }
    this.#admission.ask(connection)
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
      this.serve()
    }, pauseMs)
    if (!this.#watch.ref) this.#pause.unref()
  }
}
