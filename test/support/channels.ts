/** Channels as the transport suite wants them described. */
import { Control, type Attachment } from '../../lib/channel/control.js'
import {
  ControlKind,
  encodeControl,
  type ControlMessage,
} from '../../lib/channel/control_message.js'
import { Feature } from '../../lib/channel/handshake.js'
import {
  Channel,
  ChannelServer,
  connectChannel,
  connectUnix,
  isSystemError,
  Ring,
  type ChannelOptions,
  type DescriptorSource,
  type ListenChannelOptions,
  type UnixConnection,
} from '../../lib/index.js'
import { closeAll } from '../../lib/transport/inbox.js'
import { onWindows, underWine } from './platform.js'
import { pipeName } from './pipes.js'
import { closedAfterTest } from './rings.js'
import { socketPath } from './sockets.js'
import type { ServerUnderTest, TransportUnderTest } from './transport_suite/index.js'

/** An address for a channel's server that nobody else uses. */
export const channelAddress = onWindows ? pipeName : socketPath

/** Two ends of one channel. */
export async function channelPair(options: ChannelOptions = {}): Promise<[Channel, Channel]> {
  const address = channelAddress()
  const server = await ChannelServer.listen(address, options)
  const pair = await Promise.all([connectChannel(address, options), server.accept()])
  server.close()
  const [client, accepted] = pair
  if (client instanceof Channel && accepted instanceof Channel) return [client, accepted]
  throw new Error('the connection is no channel')
}

/** A server that is closed at the end of the test. */
export async function channelServer(options: ListenChannelOptions = {}): Promise<ChannelServer> {
  return closedAfterTest(await ChannelServer.listen(channelAddress(), options))
}

/** Two ends that are closed at the end of the test, and whose errors nobody hears. */
export async function channels(options: ChannelOptions = {}): Promise<[Channel, Channel]> {
  const pair = await channelPair(options)
  for (const end of pair) closedAfterTest(end).on('error', () => undefined)
  return pair
}

/** The ways in which channels differ from sockets. */
export const channelTraits = {
  deathCode: 'ERR_SLUICE_PEER_DIED',
  goneCodes: ['EPIPE', 'ECONNRESET', 'ERR_SLUICE_PEER_DIED'],
}

export function channelTransport(rounds: number, streamBytes: number): TransportUnderTest {
  const server: ServerUnderTest = {
    address: channelAddress,
    listen: (address, options) => ChannelServer.listen(address, options),
    listenNarrowly: (address) => ChannelServer.listen(address, onWindows ? {} : { backlog: 1 }),
    connect: (address, options) => connectChannel(address, options),
    nobodyCodes: ['ENOENT', 'ECONNREFUSED'],
    connectsWithin: 2000, // both sides of a handshake are in this process
    manyClients: 200,
  }
  return {
    name: 'a channel',
    keepsBoundaries: false,
    halfClose: true,
    hasPartialSends: true,
    findsAtOnce: true,
    largestWrite: Infinity,
    ...channelTraits,
    knowsPeerProcess: !underWine, // which does not tell it
    rounds,
    streamBytes,
    server,
    remote: { module: 'transport_channel.mjs', options: {} },
    pair: (options) => channelPair(options),
  }
}

/** A peer that speaks the handshake word for word, as it wants. POSIX only. */
export class RawPeer {
  readonly connection: UnixConnection
  readonly #control: Control
  /** Descriptors of the rings that were offered. */
  readonly #offered: Attachment[] = []

  constructor(connection: UnixConnection) {
    this.connection = connection
    connection.on('error', () => undefined)
    connection.on('close', () => {
      closeAll(this.#offered.splice(0))
    })
    this.#control = closedAfterTest(new Control(connection))
  }

  /** A client of a server of channels. */
  static async connect(address: string): Promise<RawPeer> {
    return new RawPeer(await connectUnix(address))
  }

  close(): void {
    this.#control.close()
  }

  say(message: ControlMessage, fds: readonly DescriptorSource[] = []): Promise<void> {
    return this.connection.send(encodeControl(message), { fds })
  }

  hello(more: Partial<Extract<ControlMessage, { kind: 1 }>> = {}): Promise<void> {
    const { hello: kind } = ControlKind
    const all = { lowest: 1, highest: 1, features: 1, required: 0, toServer: 0, toClient: 0 }
    return this.say({ kind, ...all, ...more })
  }

  /** The next message; undefined when the other side has closed. */
  async hear(): Promise<ControlMessage | undefined> {
    const message = await this.#control.receive({ timeout: 30_000 }).catch((error: unknown) => {
      if (isSystemError(error, 'ECONNRESET')) return undefined
      throw error
    })
    if (message?.kind === ControlKind.offer) {
      this.#offered.push(...this.#control.take(2))
    }
    return message
  }

  /** The offer, with the descriptors of its rings. */
  async offered(): Promise<{
    offer: Extract<ControlMessage, { kind: 2 }>
    fds: number[]
  }> {
    const offer = await this.hear()
    if (offer?.kind !== ControlKind.offer) throw new Error('there was no offer')
    return { offer, fds: this.#offered.map(({ number }) => number) }
  }
}

/** A channel whose other end is played word for word, with its rings. */
export async function withRawPeer(features: number = Feature.plain): Promise<{
  channel: Channel
  peer: RawPeer
  toServer: Ring
  toClient: Ring
}> {
  const server = await channelServer()
  const peer = await RawPeer.connect(server.address)
  await peer.hello({ features, toServer: 65536, toClient: 65536 })
  const { offer, fds } = await peer.offered()
  const toServer = closedAfterTest(Ring.fromFd(fds[0]))
  const toClient = closedAfterTest(Ring.fromFd(fds[1]))
  await peer.say({ kind: ControlKind.accept, token: offer.token })
  await peer.hear()
  const channel = await server.accept()
  if (!(channel instanceof Channel)) throw new Error('the connection is no channel')
  closedAfterTest(channel).on('error', () => undefined)
  return { channel, peer, toServer, toClient }
}
