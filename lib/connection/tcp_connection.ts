import type { Socket } from 'node:net'

import { checkBoolean, checkedBefore } from '../core/arguments.js'
import { leaks } from '../core/leak_guard.js'
import { Connection } from '../transport/connection.js'
import { checkConnectionOptions, type ConnectionOptions } from '../transport/connection_options.js'
import { formatAddress } from './address.js'
import { TcpTransport } from './tcp_transport.js'

/** Options of connections over TCP; see {@link connect}. */
export interface TcpConnectionOptions extends ConnectionOptions {
  /** Default true: what is written goes at once, and is not held back to be joined with more. */
  noDelay?: boolean
}

export const tcpConnectionOptionNames = ['allowHalfOpen', 'highWaterMark', 'noDelay'] as const

export function checkTcpConnectionOptions(options: TcpConnectionOptions): void {
  checkConnectionOptions(options)
  if (options.noDelay !== undefined) checkBoolean('options.noDelay', options.noDelay)
}

/** The mark of Node's sockets, at which bytes that nobody reads stay in the system, but for one chunk. */
export const socketHighWaterMark = 1

/** A connection over a connected socket, which is paused. */
export function tcpConnection(socket: Socket, options: Readonly<ConnectionOptions>): Connection {
  const connection = new Connection(new TcpTransport(socket), options, checkedBefore)
  const release = () => {
    socket.destroy()
  }
  leaks.register(connection, { what: 'a TCP connection', release }, connection)
  connection.once('close', unregister)
  return Connection.describe(connection, {
    transport: 'tcp',
    localAddress: addressOf(socket.localAddress, socket.localPort),
    remoteAddress: addressOf(socket.remoteAddress, socket.remotePort),
  })
}

function unregister(this: Connection): void {
  leaks.unregister(this)
}

/** Undefined for a socket that was closed meanwhile. */
export function addressOf(host: string | undefined, port: number | undefined): string | undefined {
  if (host === undefined || port === undefined) return undefined
  return formatAddress({ transport: 'tcp', host, port })
}
