import { SluiceError } from '../core/errors.js'
import { ChannelServer, type ListenChannelOptions } from '../channel/channel_server.js'
import type { ListenNamedPipeOptions } from '../pipe/listening_pipe.js'
import { NamedPipeServer } from '../pipe/named_pipe_server.js'
import type { BindOptions } from '../socket/listen_options.js'
import { runtimeSocketPath } from '../socket/runtime_directory.js'
import { UnixServer, type ListenUnixOptions } from '../socket/unix_server.js'
import type { ConnectionAddresses, TransportName } from '../transport/addresses.js'
import type { ConnectionOptions } from '../transport/connection_options.js'
import type { Server, ServerOptions } from '../transport/server.js'
import {
  formatAddress,
  parseAddress,
  type Address,
  type PipeAddress,
  type ShmAddress,
} from './address.js'
import { TcpServer, type ListenTcpOptions } from './tcp_server.js'
import { ownListenOptions, withoutHalfClose } from './transport_options.js'

/** Options that the servers of every transport take; see {@link listen}. */
export interface ListenOptions extends ConnectionOptions, ServerOptions {}

/** A server whichever transport it is on; see {@link listen}. */
export type ListeningServer = Server & {
  /** The address for `connect`, with the port that the system chose for `tcp:host:0`. */
  readonly address: string
}

/**
 * Listens on an address:
 *
 * | address | Linux, macOS | Windows |
 * | --- | --- | --- |
 * | `unix:/path`, `unix:@name` (Linux) | a Unix socket, as `UnixServer.listen` makes it | unsupported |
 * | `pipe:name` | a Unix socket in the user's runtime directory | a named pipe, as `NamedPipeServer.listen` makes it |
 * | `shm:name` | a channel in shared memory, arranged over `pipe:name` | the same |
 * | `tcp:host:port` | TCP, to be trusted with nothing before `authorize` | the same |
 *
 * The options are those of the transport; one that it lacks is an error. `pipe:` outside of Windows
 * has `ListenOptions`, and `halfClose: true`, which is always so there. The runtime directory is
 * `$XDG_RUNTIME_DIR/sluice`, or `sluice-<uid>` beside the temporary files, open to this user alone.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` (throws); (rejects) `EADDRINUSE`,
 * `EACCES`, `ENOENT`, `EADDRNOTAVAIL`; `ERR_SLUICE_UNTRUSTED_OWNER` for a runtime directory that is
 * not this user's alone; the signal's reason.
 *
 * @example
 * ```ts
 * const server = await listen('tcp:127.0.0.1:0')
 * const client = await connect(server.address)
 * const connection = await server.accept()
 * await client.send(Buffer.from('hello'))
 * console.log(String((await connection.receive())?.data)) // hello
 * client.close()
 * server.close()
 * ```
 */
export function listen(
  address: `unix:${string}`,
  options?: ListenUnixOptions,
): Promise<UnixServer & { readonly address: string }>
export function listen(address: `tcp:${string}`, options?: ListenTcpOptions): Promise<TcpServer>
export function listen(
  address: `shm:${string}`,
  options?: Omit<ListenChannelOptions, keyof BindOptions>,
): Promise<ChannelServer>
export function listen(
  address: `pipe:${string}`,
  options?: ListenOptions & Omit<ListenNamedPipeOptions, keyof ListenOptions>,
): Promise<ListeningServer>
export function listen(address: string, options?: ListenOptions): Promise<ListeningServer>
export function listen(text: string, given?: object): Promise<unknown> {
  const address = parseAddress(text)
  const options = ownListenOptions(address.transport, given)
  switch (address.transport) {
    case 'unix':
      requireUnix('unix:')
      return UnixServer.listenAs(socketName(address), options, served(address))
    case 'pipe':
      return listenOnPipe(address, options)
    case 'shm':
      return listenForChannels(address, options)
    case 'tcp':
      return TcpServer.listen(address, options)
  }
}

function listenOnPipe(address: PipeAddress, options: object): Promise<unknown> {
  if (process.platform === 'win32') {
    return NamedPipeServer.listenAs(address.name, options, served(address))
  }
  const portable = withoutHalfClose<ListenUnixOptions & { halfClose?: boolean }>(options)
  try {
    const path = runtimeSocketPath(address.name, true)
    return UnixServer.listenAs(path, portable, served(address))
  } catch (error) {
    return refused(error)
  }
}

function listenForChannels(address: ShmAddress, options: object): Promise<unknown> {
  const { name } = address
  const addresses = { channel: served(address), plain: served({ transport: 'pipe', name }) }
  try {
    return ChannelServer.listenAs(controlAddress(name, true), options, addresses)
  } catch (error) {
    return refused(error)
  }
}

/** The address of a channel's control connection. */
export function controlAddress(name: string, make: boolean): string {
  return process.platform === 'win32' ? name : runtimeSocketPath(name, make)
}

/** The note for the connections of a server. */
function served(address: Address): ConnectionAddresses {
  const { transport } = address
  return { transport, localAddress: formatAddress(address), remoteAddress: undefined }
}

/** The name of a Unix socket as the functions for them take it. */
export function socketName(address: Address & { transport: 'unix' }): string {
  return 'path' in address ? address.path : `@${address.abstractName}`
}

export function requireUnix(scheme: `${TransportName}:`): void {
  if (process.platform === 'win32') {
    throw unsupported(`${scheme} is not there on ${process.platform}; take pipe:`)
  }
}

function unsupported(message: string): SluiceError {
  return new SluiceError('ERR_SLUICE_UNSUPPORTED', message)
}

/** A wrong argument throws; what the system refuses rejects. */
export function refused(error: unknown): Promise<never> {
  if (error instanceof SluiceError && error.code === 'ERR_SLUICE_INVALID_ARGUMENT') throw error
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
  return Promise.reject(error)
}
