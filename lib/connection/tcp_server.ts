import { createServer, type AddressInfo, type Server as NodeServer } from 'node:net'

import { checkedBefore, checkInteger, ownOptions } from '../core/arguments.js'
import { Operation } from '../core/operation.js'
import { aborted, promised } from '../core/wait_options.js'
import {
  checkServerOptions,
  Server,
  serverOptionNames,
  type ServerOptions,
} from '../transport/server.js'
import { formatAddress, type TcpAddress } from './address.js'
import { TcpAcceptor } from './tcp_acceptor.js'
import {
  addressOf,
  checkTcpConnectionOptions,
  socketHighWaterMark,
  tcpConnectionOptionNames,
  type TcpConnectionOptions,
} from './tcp_connection.js'
import { tcpError } from './tcp_errors.js'

/** Options of servers on `tcp:` addresses; see {@link listen}. */
export interface ListenTcpOptions extends TcpConnectionOptions, ServerOptions {
  /**
   * Connections that wait in the system, and as many again here, until they are accepted; default
   * 511. More are closed at once.
   */
  backlog?: number
}

export const listenTcpOptionNames = [
  'backlog',
  ...tcpConnectionOptionNames,
  ...serverOptionNames,
] as const

const defaultBacklog = 511

/**
 * A server on a port of TCP; `listen` makes them.
 *
 * @example
 * ```ts
 * const server = await listen('tcp:127.0.0.1:0')
 * console.log(server.address.startsWith('tcp:127.0.0.1:')) // true
 * server.close()
 * ```
 */
export class TcpServer extends Server {
  /** With the port that the system chose, if it was 0: `'tcp:127.0.0.1:41234'`. */
  readonly address: string

  private constructor(server: NodeServer, options: ListenTcpOptions, address: string) {
    const { backlog = defaultBacklog } = options
    super(new TcpAcceptor(server, options, backlog), options, checkedBefore)
    this.address = address
  }

  /** @internal */
  static listen({ host, port }: TcpAddress, options: ListenTcpOptions = {}): Promise<TcpServer> {
    options = ownOptions(options, listenTcpOptionNames)
    const { backlog = defaultBacklog, noDelay = true, signal } = options
    checkInteger('options.backlog', backlog, 1, 2 ** 31 - 1)
    checkTcpConnectionOptions(options)
    checkServerOptions(options)
    if (signal?.aborted === true) return aborted(signal)
    const address = formatAddress({ transport: 'tcp', host, port })
    return promised(() => {
      const server = createServer({
        allowHalfOpen: true,
        pauseOnConnect: true,
        highWaterMark: socketHighWaterMark,
        noDelay,
      })
      const operation = new Operation<TcpServer>('listen', { signal }, (_, reason) => {
        operation.reject(reason)
        server.close()
      })
      const failed = (error: Error) => {
        operation.reject(tcpError(`cannot listen on '${address}'`, error, address))
      }
      server.once('error', failed)
      server.once('listening', () => {
        if (operation.settled) {
          server.close()
          return
        }
        server.removeListener('error', failed)
        const bound = server.address() as AddressInfo
        operation.resolve(
          new TcpServer(server, options, addressOf(bound.address, bound.port) ?? address),
        )
      })
      server.listen({ host, port, backlog })
      return operation.promise
    })
  }
}
