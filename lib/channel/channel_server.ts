import { checkedBefore, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { aborted } from '../core/wait_options.js'
import type { Acceptor, AcceptorEvents } from '../transport/acceptor.js'
import { waitForClients } from '../transport/admission.js'
import type { ConnectionAddresses } from '../transport/addresses.js'
import { Connection } from '../transport/connection.js'
import {
  checkServerOptions,
  Server,
  serverOptionNames,
  type ServerOptions,
} from '../transport/server.js'
import { Channel } from './channel.js'
import type { ChannelEnds } from './channel_ends.js'
import { Control, type ControlConnection } from './control.js'
import { controlOptionNames, prepareControl, type ControlOptions } from './control_acceptor.js'
import { offerChannel } from './handshake.js'
import { channelOptionNames, checkChannelOptions, type ChannelOptions } from './options.js'

/** The options of {@link ChannelServer.listen}. */
export interface ListenChannelOptions
  extends ChannelOptions, ControlOptions, ServerOptions<ControlConnection> {}

export const listenChannelOptionNames = [
  ...channelOptionNames,
  ...controlOptionNames,
  ...serverOptionNames,
] as const

/** The notes for channels, and for plain connections in their place. */
export interface ChannelAddresses {
  readonly channel: ConnectionAddresses
  readonly plain: ConnectionAddresses
}

/** Channels that are ready and wait to be accepted, with those in their handshake. */
const poolSize = 64

/** Brings channels: control connections, each with its handshake. */
class ChannelAcceptor implements Acceptor<Channel | ControlConnection, ControlConnection> {
  readonly poolSize = poolSize
  // A client waits for the end of its handshake, whether anybody accepts or not.
  readonly takesAhead = true
  readonly #controls: Acceptor<ControlConnection>
  readonly #options: Readonly<ChannelOptions>
  readonly #addresses: ChannelAddresses | undefined

  constructor(
    controls: Acceptor<ControlConnection>,
    options: Readonly<ChannelOptions>,
    addresses: ChannelAddresses | undefined,
  ) {
    this.#controls = controls
    this.#options = options
    this.#addresses = addresses
  }

  get ref(): boolean {
    return this.#controls.ref
  }

  set ref(ref: boolean) {
    this.#controls.ref = ref
  }

  attach(events: AcceptorEvents<ControlConnection>): void {
    this.#controls.attach(events)
  }

  welcome(count: number): void {
    this.#controls.welcome(count)
  }

  acceptNow(count: number, certainly: boolean): void {
    this.#controls.acceptNow?.(count, certainly)
  }

  async handshake(connection: ControlConnection): Promise<Channel | ControlConnection> {
    const control = new Control(connection)
    let ends: ChannelEnds | undefined
    try {
      ends = await offerChannel(control, this.#options)
    } catch (error) {
      control.close() // with descriptors that have come
      throw error
    }
    const addresses = this.#addresses
    if (ends !== undefined) {
      const channel = new Channel(control, ends, this.#options)
      if (addresses !== undefined) Connection.describe(channel, addresses.channel)
      return channel
    }
    control.letGo()
    if (addresses !== undefined) Connection.describe(connection, addresses.plain)
    return connection
  }

  close(): void {
    this.#controls.close()
  }
}

/**
 * A server of channels, at the path of a Unix socket or `@name`, on Windows at a named pipe.
 *
 * `authorize` is asked first. Only then come the handshake, with its own deadline, and the memory, which
 * is this process's. A client that cannot map it gets the plain connection.
 *
 * @example
 * ```ts
 * const server = await ChannelServer.listen('/run/app/app.sock')
 * const client = await connectChannel('/run/app/app.sock')
 * client.end('hello')
 *
 * for await (const channel of server) {
 *   channel.on('error', (error) => console.error(error)) // a peer's fault must not end the server
 *   channel.pipe(channel)
 *   break // without it, the next client is waited for
 * }
 * for await (const chunk of client) console.log(String(chunk))
 * server.close()
 * ```
 */
export class ChannelServer extends Server<Channel | ControlConnection, ControlConnection> {
  /** The address that was given to `listen`. */
  readonly address: string

  private constructor(
    address: string,
    controls: Acceptor<ControlConnection>,
    options: Readonly<ListenChannelOptions>,
    addresses: ChannelAddresses | undefined,
  ) {
    super(new ChannelAcceptor(controls, options, addresses), options, checkedBefore)
    this.address = addresses?.channel.localAddress ?? address
  }

  /**
   * Listens.
   *
   * @throws (rejects) as `UnixServer.listen` and `NamedPipeServer.listen`.
   * `ERR_SLUICE_INVALID_ARGUMENT` (throws).
   */
  static listen(address: string, options: ListenChannelOptions = {}): Promise<ChannelServer> {
    return ChannelServer.listenAs(address, options, undefined)
  }

  /**
   * The same, for a server and connections whose addresses are said in another way.
   *
   * @internal
   */
  static listenAs(
    address: string,
    options: ListenChannelOptions,
    addresses: ChannelAddresses | undefined,
  ): Promise<ChannelServer> {
    options = ownOptions(options, listenChannelOptionNames)
    checkChannelOptions(options)
    checkServerOptions(options)
    checkAuthorize(options)
    const listen = prepareControl(address, options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    try {
      return Promise.resolve(new ChannelServer(address, listen(), options, addresses))
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }
}

/** A token would have to come before the handshake, and the system tells who is there anyway. */
function checkAuthorize({ authorize }: ListenChannelOptions): void {
  if (authorize === undefined || !waitForClients.has(authorize)) return
  throw new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    'options.authorize must not be a token() for channels: the system tells who the client is; use allow()',
  )
}
