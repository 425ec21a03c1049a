import { invalidArgument } from '../core/arguments.js'
import { own } from '../core/own.js'
import type { WaitOptions } from '../core/wait_options.js'
import { Channel } from '../channel/channel.js'
import type { ControlConnection } from '../channel/control.js'
import { connectChannel, type ConnectChannelOptions } from '../channel/connect_channel.js'
import { connectNamedPipe, type ConnectNamedPipeOptions } from '../pipe/connect_named_pipe.js'
import { connectUnix, type ConnectUnixOptions } from '../socket/connect_unix.js'
import { runtimeSocketPath } from '../socket/runtime_directory.js'
import type { UnixConnection } from '../socket/unix_connection.js'
import { Connection } from '../transport/connection.js'
import type { ConnectionOptions } from '../transport/connection_options.js'
import {
  formatAddress,
  parseAddress,
  type Address,
  type PipeAddress,
  type ShmAddress,
} from './address.js'
import type { Codec } from './codecs.js'
import { connectLasting } from './connect_lasting.js'
import { connectTcp, type ConnectTcpOptions } from './connect_tcp.js'
import type { FramedOptions } from './framed.js'
import { controlAddress, refused, requireUnix, socketName } from './listen.js'
import type { ReconnectOptions } from './reconnect_options.js'
import type { ReconnectingConnection } from './reconnecting.js'
import { ownConnectOptions } from './transport_options.js'

/** Options that the connections of every transport take; see {@link connect}. */
export interface ConnectOptions extends ConnectionOptions, WaitOptions {}

interface LastingOptions extends WaitOptions {
  reconnect?: ReconnectOptions
  framed?: FramedOptions
}

/** The options of any transport, of a connection that lasts; see {@link connect}. */
export type AnyConnectOptions =
  | ConnectOptions
  | ConnectUnixOptions
  | ConnectTcpOptions
  | ConnectChannelOptions
  | ConnectNamedPipeOptions

/**
 * Connects to an address, as `listen` has them.
 *
 * The options are those of the transport; one that it lacks is an error. `pipe:` outside of Windows
 * has `ConnectOptions`.
 *
 * With `options.reconnect` it is a connection of messages that is made again when it is lost, a
 * {@link ReconnectingConnection}, and `options.framed` says what its messages are, as {@link framed} has
 * it; the peer must use `framed` too. The promise resolves when the first connection stands; `signal` and
 * `timeout` bound that wait, and nothing after it.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` (throws); (rejects) `ENOENT`,
 * `ECONNREFUSED`, `EACCES`, for TCP also `ENOTFOUND`, `ETIMEDOUT`, `EHOSTUNREACH`;
 * `ERR_SLUICE_UNTRUSTED_OWNER` for a pipe or a runtime directory that is not this user's;
 * `ERR_SLUICE_TIMEOUT`, the signal's reason; with `reconnect` `ERR_SLUICE_UNREACHABLE` when it has given up.
 *
 * @example
 * ```ts
 * const server = await listen('pipe:app')
 * const connection = await connect('pipe:app', { timeout: 1000 })
 * console.log(connection.transport, connection.remoteAddress) // pipe pipe:app
 * connection.close()
 * const lasting = await connect('pipe:app', { reconnect: { maxRetries: 10 }, framed: { codec: 'json' } })
 * await lasting.send({ what: 'hello' })
 * lasting.close()
 * server.close()
 * ```
 */
export function connect(
  address: string,
  options: AnyConnectOptions & {
    reconnect: ReconnectOptions
    framed?: FramedOptions & { codec?: 'bytes' }
  },
): Promise<ReconnectingConnection>
export function connect<T = unknown>(
  address: string,
  options: AnyConnectOptions & {
    reconnect: ReconnectOptions
    framed: FramedOptions & { codec: 'json' | 'clone' | Codec<T> }
  },
): Promise<ReconnectingConnection<T>>
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
  const options: LastingOptions = own(ownConnectOptions(address.transport, given))
  const { reconnect, framed } = options
  delete options.reconnect
  delete options.framed
  if (reconnect !== undefined) {
    const connectNow = ({ signal }: { signal: AbortSignal }) =>
      connectOnce(address, { ...options, signal, timeout: undefined })
    return connectLasting(connectNow, reconnect, framed ?? {}, options)
  }
  if (framed === undefined) return connectOnce(address, options)
  throw invalidArgument(
    'options.framed',
    'together with options.reconnect, or use framed()',
    framed,
  )
}

function connectOnce(address: Address, options: object): Promise<Connection> {
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
