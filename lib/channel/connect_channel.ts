import { ownOptions } from '../core/arguments.js'
import { isSystemError } from '../core/errors.js'
import { own, ownSome } from '../core/own.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { connectNamedPipe } from '../pipe/connect_named_pipe.js'
import { connectUnix } from '../socket/connect_unix.js'
import { Channel } from './channel.js'
import { Control, type ControlConnection } from './control.js'
import { closedByServer, requestChannel } from './handshake.js'
import {
  channelOptionNames,
  checkChannelOptions,
  defaultHandshakeTimeout,
  mostAtOnce,
  type ChannelOptions,
} from './options.js'

/** The options of {@link connectChannel}. */
export interface ConnectChannelOptions extends ChannelOptions, WaitOptions {}

export const connectChannelOptionNames = [...channelOptionNames, ...waitOptionNames] as const

/**
 * Connects to a {@link ChannelServer}: the path of a Unix socket or `@name`, on Windows the name of a
 * pipe. Resolves with a {@link Channel}, or, where one of the two cannot have the memory, with the plain
 * connection over the socket or pipe.
 *
 * @throws (rejects) as `connectUnix` and `connectNamedPipe`; `ERR_SLUICE_DISCONNECTED` when the server
 * closes in the handshake: it does not let this process in, is full, or has gone; `ERR_SLUICE_REJECTED` when it
 * refuses; `ERR_SLUICE_VERSION_MISMATCH`; `ERR_SLUICE_CORRUPT` when there is no server
 * of channels; `ERR_SLUICE_TIMEOUT`; with `required: true` also why there is no memory.
 *
 * @example
 * ```ts
 * const server = await ChannelServer.listen('/run/app/app.sock') // by another process
 * const channel = await connectChannel('/run/app/app.sock', { timeout: 10_000 })
 * const accepted = await server.accept()
 * accepted.pipe(accepted)
 * channel.end('hello')
 * for await (const chunk of channel) console.log(String(chunk))
 * server.close()
 * ```
 */
export function connectChannel(
  address: string,
  options: ConnectChannelOptions = {},
): Promise<Channel | ControlConnection> {
  options = ownOptions(options, connectChannelOptionNames)
  checkChannelOptions(options)
  checkWaitOptions(options)
  if (options.signal?.aborted === true) return aborted(options.signal)
  return shakeHands(connectControl(address, options), options)
}

async function shakeHands(
  connecting: Promise<ControlConnection>,
  options: ConnectChannelOptions,
): Promise<Channel | ControlConnection> {
  const { timeout } = options
  const deadline = timeout === undefined ? undefined : performance.now() + timeout
  const control = new Control(await connecting)
  try {
    const left = deadline === undefined ? Infinity : Math.ceil(deadline - performance.now())
    const ends = await requestChannel(control, withDeadline(options, left))
    if (ends !== undefined) return new Channel(control, ends, options)
    control.letGo()
    return control.connection
  } catch (error) {
    control.close()
    // A server that closes without having read the HELLO resets the connection.
    throw isSystemError(error, 'ECONNRESET', 'EPIPE') ? closedByServer(error) : error
  }
}

/** The time for the handshake is the shorter one. */
function withDeadline(options: ConnectChannelOptions, left: number): ConnectChannelOptions {
  const { handshakeTimeout = defaultHandshakeTimeout.client } = options
  return own({ ...options, handshakeTimeout: Math.max(0, Math.min(handshakeTimeout, left)) })
}

function connectControl(
  address: string,
  options: ConnectChannelOptions,
): Promise<ControlConnection> {
  const common = ownSome(options, ['allowHalfOpen', 'highWaterMark', 'signal', 'timeout'])
  if (process.platform === 'win32') {
    return connectNamedPipe(address, common)
  }
  return connectUnix(address, own({ ...common, maxDescriptors: mostAtOnce(options) }))
}
