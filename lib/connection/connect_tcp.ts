import { Socket } from 'node:net'

import { ownOptions } from '../core/arguments.js'
import { Operation } from '../core/operation.js'
import {
  aborted,
  checkWaitOptions,
  promised,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import type { Connection } from '../transport/connection.js'
import { formatAddress, type TcpAddress } from './address.js'
import {
  checkTcpConnectionOptions,
  socketHighWaterMark,
  tcpConnection,
  tcpConnectionOptionNames,
  type TcpConnectionOptions,
} from './tcp_connection.js'
import { tcpError } from './tcp_errors.js'

/** Options of connections to `tcp:` addresses; see {@link connect}. */
export interface ConnectTcpOptions extends TcpConnectionOptions, WaitOptions {}

export const connectTcpOptionNames = [...tcpConnectionOptionNames, ...waitOptionNames] as const

export function connectTcp(
  { host, port }: TcpAddress,
  options: ConnectTcpOptions = {},
): Promise<Connection> {
  options = ownOptions(options, connectTcpOptionNames)
  checkTcpConnectionOptions(options)
  checkWaitOptions(options)
  const { signal, noDelay = true } = options
  if (signal?.aborted === true) return aborted(signal)
  const address = formatAddress({ transport: 'tcp', host, port })
  return promised(() => {
    const socket = newSocket()
    const operation = new Operation<Connection>(
      `connecting to '${address}'`,
      options,
      (_, reason) => {
        operation.reject(reason)
        socket.destroy()
      },
    )
    const failed = (error: Error) => {
      operation.reject(tcpError(`cannot connect to '${address}'`, error, address))
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      if (operation.settled) return
      // The connection listens from here on.
      const connection = tcpConnection(socket, options)
      socket.removeListener('error', failed)
      operation.resolve(connection)
    })
    socket.connect({ host, port, noDelay })
    return operation.promise
  })
}

/** Paused before it is connected: else it would read at once. */
function newSocket(): Socket {
  const options = { allowHalfOpen: true, readableHighWaterMark: socketHighWaterMark }
  return new Socket(options).pause()
}
