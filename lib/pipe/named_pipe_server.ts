import { checkedBefore } from '../core/arguments.js'
import { aborted } from '../core/wait_options.js'
import type { ConnectionAddresses } from '../transport/addresses.js'
import { Server } from '../transport/server.js'
import {
  prepareToListenOnPipe,
  type CheckedPipe,
  type ListenNamedPipeOptions,
} from './listening_pipe.js'
import type { NamedPipeConnection } from './named_pipe_connection.js'

/**
 * A server on a named pipe. Windows only; elsewhere take {@link UnixServer}.
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
 * const client = await connectNamedPipe('app')
 * client.end('hello')
 *
 * for await (const connection of server) {
 *   console.log('hello', connection.peer.userName)
 *   connection.on('error', (error) => console.error(error)) // a peer's fault must not end the server
 *   connection.on('data', (chunk) => console.log(chunk.length))
 *   server.close() // without it, the next client is waited for
 * }
 * ```
 */
export class NamedPipeServer extends Server<NamedPipeConnection> {
  /** The whole path: `'\\\\.\\pipe\\app'`; of a server that `listen` made, `'pipe:app'`. */
  readonly address: string
  /** Whether the boundaries of writes are kept. */
  readonly mode: 'byte' | 'message'

  private constructor(checked: CheckedPipe) {
    super(checked.listen(), checked.options, checkedBefore)
    this.address = checked.pipe.addresses?.localAddress ?? checked.pipe.path
    this.mode = checked.pipe.mode
  }

  /**
   * Listens on a pipe of this machine: a name, or `\\.\pipe\` and a name.
   *
   * @throws (rejects) `EADDRINUSE` when somebody else has the name, or all its instances are taken;
   * `EACCES` for a name that cannot be. `ERR_SLUICE_INVALID_ARGUMENT` (throws), for a security
   * descriptor that cannot be parsed as well, and `ERR_SLUICE_UNSUPPORTED` on other systems.
   */
  static listen(name: string, options: ListenNamedPipeOptions = {}): Promise<NamedPipeServer> {
    return NamedPipeServer.listenAs(name, options, undefined)
  }

  /**
   * The same, for a server and connections whose addresses are said in another way.
   *
   * @internal
   */
  static listenAs(
    name: string,
    options: ListenNamedPipeOptions,
    addresses: ConnectionAddresses | undefined,
  ): Promise<NamedPipeServer> {
    const checked = prepareToListenOnPipe(name, options, addresses)
    const { signal } = checked.options
    if (signal?.aborted === true) return aborted(signal)
    try {
      return Promise.resolve(new NamedPipeServer(checked))
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }
}
