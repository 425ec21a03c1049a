import { checkedBefore, checkInteger, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { aborted } from '../core/wait_options.js'
import type { ConnectionAddresses } from '../transport/addresses.js'
import {
  checkServerOptions,
  Server,
  serverOptionNames,
  type ServerOptions,
} from '../transport/server.js'
import { checkConnectionType } from './connect_unix.js'
import {
  checkUnixConnectionOptions,
  connectionOptionNames,
  type UnixConnectionOptions,
} from './connection_options.js'
import type { DescriptorSource } from './file_descriptor.js'
import { bindOptionNames, type BindOptions } from './listen_options.js'
import { defaultBacklog, prepareToListen, type Listening } from './listening.js'
import { removeNameAtExit } from './names_at_exit.js'
import { requireSockets, type SocketHandle } from './native.js'
import { UnixAcceptor } from './unix_acceptor.js'
import type { UnixConnection } from './unix_connection.js'

/** The options of {@link UnixServer.listen}. */
export interface ListenUnixOptions
  extends BindOptions, UnixConnectionOptions, ServerOptions<UnixConnection> {
  /** Default `'stream'`; with `fd`, the socket's own. */
  type?: 'stream' | 'seqpacket'
  /** Connections that the kernel keeps for `accept`; default 511. */
  backlog?: number
  /**
   * Default false. True: a path that was removed or replaced, as cleaners of temporary folders do, is bound
   * again. It is looked at once a second and by `health()`; when it cannot be had, as when another
   * server has it, after 2, 4 ... 60 s again. Clients that had connected before are served. `server.fd`
   * is another one then.
   */
  renew?: boolean
}

export const listenUnixOptionNames = [
  'type',
  'backlog',
  'renew',
  ...bindOptionNames,
  ...connectionOptionNames,
  ...serverOptionNames,
] as const

/**
 * A server on a Unix socket. Not on Windows, which has {@link NamedPipeServer}.
 *
 * An accepted connection is never lost: one whose `accept` was cancelled is kept for the next.
 *
 * @example
 * ```ts
 * const server = await UnixServer.listen('/run/app/app.sock', {
 *   mode: 0o666,
 *   authorize: allow({ sameUser: true }), // or { groups: ['app'] }
 * })
 * const client = await connectUnix('/run/app/app.sock')
 * client.end('hello')
 *
 * for await (const connection of server) {
 *   console.log('hello', connection.peer.uid)
 *   connection.on('error', (error) => console.error(error)) // a peer's fault must not end the server
 *   connection.pipe(connection)
 *   break // without it, the next client is waited for
 * }
 * for await (const chunk of client) console.log(chunk.toString())
 * server.close()
 * ```
 */
export class UnixServer extends Server<UnixConnection> {
  /** The address as it was given to `listen`; undefined for a socket without a name. */
  readonly address: string | undefined
  /** The kind of its socket. */
  readonly type: 'stream' | 'seqpacket'
  #handle: SocketHandle
  /** The path or the abstract name. */
  readonly #name: string | undefined

  private constructor(
    { handle, bind, type, name }: Listening,
    options: ListenUnixOptions,
    addresses: ConnectionAddresses | undefined,
  ) {
    const acceptor = new UnixAcceptor(handle, type, options, addresses)
    super(acceptor, options, checkedBefore)
    this.#handle = handle
    this.#name = name
    if (bind !== undefined) {
      acceptor.keepName(options.renew === true ? bind : undefined, (renewed) => {
        this.#handle = renewed
        removeNameAtExit(renewed)
      })
    }
    this.type = type
    this.address = addresses?.localAddress ?? name
    removeNameAtExit(handle)
  }

  /**
   * Listens on a path, on `@name` (Linux: an abstract name, which has no permissions), or on a
   * socket that was inherited or received and already listens; that is duplicated, stays the
   * caller's to close, and its name is not removed.
   *
   * @throws (rejects) `EADDRINUSE`, `EACCES`, `ENOENT`; for an `fd` `EBADF`, `ENOTSOCK`.
   * `ERR_SLUICE_INVALID_ARGUMENT`, and `ERR_SLUICE_UNSUPPORTED` on Windows (throws).
   */
  static listen(
    address: string | { readonly fd: DescriptorSource },
    options: ListenUnixOptions = {},
  ): Promise<UnixServer> {
    return UnixServer.listenAs(address, options, undefined)
  }

  /**
   * The same, for a server and connections whose addresses are said in another way.
   *
   * @internal
   */
  static listenAs(
    address: string | { readonly fd: DescriptorSource },
    options: ListenUnixOptions,
    addresses: ConnectionAddresses | undefined,
  ): Promise<UnixServer> {
    requireSockets()
    options = ownOptions(options, listenUnixOptionNames)
    checkConnectionType(options.type)
    checkInteger('options.backlog', options.backlog ?? defaultBacklog, 1, 2 ** 31 - 1)
    checkUnixConnectionOptions(options)
    checkServerOptions(options)
    const listen = prepareToListen(address, options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    let listening: Listening | undefined
    try {
      listening = listen()
      return Promise.resolve(new UnixServer(listening, options, addresses))
    } catch (error) {
      listening?.handle.close()
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  /**
   * The listening descriptor, to send or to inherit; it stays the server's to close.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get fd(): number {
    if (this.closed) throw new SluiceError('ERR_SLUICE_CLOSED', 'the server is closed')
    return this.#handle.descriptor(true)
  }

  /**
   * Whether the server's name still leads to it: not when somebody has removed the path, or put another
   * socket there, and not of a server on a descriptor, whose path is another one's. To have the name
   * again: the option `renew`, or `close()` and `listen` anew.
   */
  get isNamed(): boolean {
    if (this.closed || this.#name === undefined) return false
    // An abstract name is its socket's for as long as that is open.
    return this.#name.startsWith('@') || this.#handle.isNamed()
  }

  /**
   * Closes the server and leaves its path where it is, for whoever else has the listening socket: a
   * successor to which it was sent.
   *
   * @example
   * ```ts
   * const server = await UnixServer.listen('/run/app/app.sock')
   * const successor = await UnixServer.listen({ fd: server.fd }) // in another process, which was sent it
   * server.leave()
   * const client = await connectUnix('/run/app/app.sock')
   * const connection = await successor.accept()
   * for (const one of [client, connection, successor]) one.close()
   * ```
   */
  leave(): void {
    if (!this.closed) this.#handle.leaveName()
    this.close()
  }
}
