/** Channels as the transport suite wants them described. */
import { Channel, ChannelServer, connectChannel, type ChannelOptions } from '../../lib/index.js'
import { onWindows } from './platform.js'
import { pipeName } from './pipes.js'
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
    deathCode: 'ERR_SLUICE_PEER_DIED',
    goneCodes: ['EPIPE', 'ECONNRESET', 'ERR_SLUICE_PEER_DIED'],
    knowsPeerProcess: true,
    rounds,
    streamBytes,
    server,
    remote: { module: 'transport_channel.mjs', options: {} },
    pair: (options) => channelPair(options),
  }
}
