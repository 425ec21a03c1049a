/** Unix sockets as the transport suite wants them described. */
import { allow, connectUnix, socketPair, UnixServer, UnixConnection } from '../../lib/index.js'
import { abstractName, socketPath } from './sockets.js'
import type { ServerUnderTest, TransportUnderTest } from './transport_suite/index.js'
import { pairThrough } from './transport_suite/pair_through.js'

type Type = 'stream' | 'seqpacket'

/** One message has to fit into the socket's buffer, and into what the receiver takes. */
const longestMessage = 131_072

function serverOf(type: Type, kind: 'path' | 'abstract'): ServerUnderTest {
  // An abstract name is open to all: without this, listening on it warns.
  const more = kind === 'abstract' ? { type, authorize: allow({ sameUser: true }) } : { type }
  return {
    address: kind === 'abstract' ? abstractName : socketPath,
    listen: (name, options) => UnixServer.listen(name, { ...more, ...options }),
    listenNarrowly: (name) => UnixServer.listen(name, { ...more, backlog: 1 }),
    connect: (name, options) => connectUnix(name, { type, ...options }),
    nobodyCodes: ['ENOENT', 'ECONNREFUSED'],
    manyClients: 1000,
  }
}

function common(type: Type) {
  const keepsBoundaries = type === 'seqpacket'
  return {
    keepsBoundaries,
    halfClose: true,
    hasPartialSends: !keepsBoundaries,
    findsAtOnce: true,
    largestWrite: keepsBoundaries ? longestMessage : Infinity,
    goneCodes: ['EPIPE', 'ECONNRESET'],
    knowsPeerProcess: true,
  }
}

/** Connections through a server. */
export function unixTransport(
  name: string,
  {
    type,
    address,
    rounds,
    streamBytes,
  }: {
    type: Type
    address: 'path' | 'abstract'
    rounds: number
    streamBytes: number
  },
): TransportUnderTest {
  const server = serverOf(type, address)
  return {
    name,
    ...common(type),
    rounds,
    streamBytes,
    server,
    // A child finds an abstract name as it finds a path: the one stands for both.
    ...(address === 'path' && { remote: { module: 'transport_unix.mjs', options: { type } } }),
    pair: (options) => pairThrough(server, options),
  }
}

/** Connections that were made in pairs. */
export function unixPairTransport(
  name: string,
  { type, rounds, streamBytes }: { type: Type; rounds: number; streamBytes: number },
): TransportUnderTest {
  return {
    name,
    ...common(type),
    rounds,
    streamBytes,
    remote: {
      module: 'transport_unix.mjs',
      options: {},
      descriptorOf: (connection) => {
        if (!(connection instanceof UnixConnection)) throw new TypeError('not a Unix socket')
        return connection.fd
      },
    },
    pair: (options = {}) => Promise.resolve(socketPair(type, options)),
  }
}
