import { Channel } from '../channel/channel.js'
import type { ControlConnection } from '../channel/control.js'
import { connectChannel, type ConnectChannelOptions } from '../channel/connect_channel.js'
import { connectNamedPipe, type ConnectNamedPipeOptions } from '../pipe/connect_named_pipe.js'
import { connectUnix, type ConnectUnixOptions } from '../socket/connect_unix.js'
import { runtimeSocketPath } from '../socket/runtime_directory.js'
import type { UnixConnection } from '../socket/unix_connection.js'
import { Connection } from '../transport/connection.js'
import type { ConnectionOptions } from '../transport/connection_options.js'
import type { WaitOptions } from '../core/wait_options.js'
import {
  formatAddress,
  parseAddress,
  type Address,
  type PipeAddress,
  type ShmAddress,
} from './address.js'
import { connectTcp, type ConnectTcpOptions } from './connect_tcp.js'
import { controlAddress, refused, requireUnix, socketName } from './listen.js'
import { ownConnectOptions } from './transport_options.js'

/** Options that the connections of every transport take; see {@link connect}. */
export interface ConnectOptions extends ConnectionOptions, WaitOptions {}

/**
 * Connects to an address, as `listen` has them.
 *
 * The options are those of the transport; one that it lacks is an error. `pipe:` outside of Windows
 * has `ConnectOptions`.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` (throws); (rejects) `ENOENT`,
 * `ECONNREFUSED`, `EACCES`, for TCP also `ENOTFOUND`, `ETIMEDOUT`, `EHOSTUNREACH`;
 * `ERR_SLUICE_UNTRUSTED_OWNER` for a pipe or a runtime directory that is not this user's;
 * `ERR_SLUICE_TIMEOUT`, the signal's reason.
 *
 * @example
 * ```ts
 * const server = await listen('pipe:app')
 * const connection = await connect('pipe:app', { timeout: 1000 })
 * console.log(connection.transport, connection.remoteAddress) // pipe pipe:app
 * connection.close()
 * server.close()
 * ```
 */
export function connect(
  address: `unix:${string}`,
  options?: ConnectUnixOptions,
): Promise<UnixConnection>
export function connect(address: `tcp:${string}`, options?: ConnectTcpOptions): Promise<Connection>
export function connect(
  address: `shm:${string}`,
  options?: ConnectChannelOptions,
): Promise<Channel | ControlConnection>
export function connect(
  address: `pipe:${string}`,
  options?: ConnectOptions & Omit<ConnectNamedPipeOptions, keyof ConnectOptions>,
): Promise<Connection>
export function connect(address: string, options?: ConnectOptions): Promise<Connection>
export function connect(text: string, given?: object): Promise<unknown> {
  const address = parseAddress(text)
  const options = ownConnectOptions(address.transport, given)
  switch (address.transport) {
    case 'unix':
      requireUnix('unix:')
      return described(connectUnix(socketName(address), options), address)
    case 'pipe':
      return connectToPipe(address, options)
    case 'shm':
      return connectToChannel(address, options)
    case 'tcp':
      return connectTcp(address, options)
  }
}

function connectToPipe(address: PipeAddress, options: object): Promise<Connection> {
  if (process.platform === 'win32') {
    return described(connectNamedPipe(address.name, options), address)
  }
  try {
    const path = runtimeSocketPath(address.name, false)
    return described(connectUnix(path, options), address)
  } catch (error) {
    return refused(error)
  }
}

function connectToChannel(address: ShmAddress, options: object): Promise<Connection> {
  const { name } = address
  try {
    // One of the two may not have had the memory.
    return connectChannel(controlAddress(name, false), options).then((connection) =>
      describe<Connection>(
        connection,
        connection instanceof Channel ? address : { transport: 'pipe', name },
      ),
    )
  } catch (error) {
    return refused(error)
  }
}

async function described<Connected extends Connection>(
  connecting: Promise<Connected>,
  address: Address,
): Promise<Connected> {
  return describe(await connecting, address)
}

function describe<Described extends Connection>(
  connection: Described,
  address: Address,
): Described {
  const { transport } = address
  const remoteAddress = formatAddress(address)
  return Connection.describe(connection, { transport, localAddress: undefined, remoteAddress })
}
