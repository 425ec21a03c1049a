/** Connections of `listen` and `connect`, by the scheme of their addresses, as the transport suite wants them described. */
import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'

import { allow, connect, listen, type ListenOptions } from '../../lib/index.js'
import { channelTraits } from './channels.js'
import { onWindows, underWine } from './platform.js'
import { abstractName, socketPath } from './sockets.js'
import type { ServerUnderTest, TestedServer, TransportUnderTest } from './transport_suite/index.js'
import { pairThrough } from './transport_suite/pair_through.js'

export type Scheme = 'unix:' | 'unix:@' | 'pipe:' | 'shm:' | 'tcp:'

/** A port that nobody has: the system gives each of these once before it begins anew. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const ports: number[] = []

/** To be awaited before the suite: it asks for addresses without waiting. */
export async function findPorts(count: number): Promise<void> {
  const found = new Set<number>()
  while (found.size < count) found.add(await freePort())
  ports.push(...found)
}

function tcpAddress(): string {
  const port = ports.pop()
  if (port === undefined) throw new Error('more ports have to be found before the suite')
  return `tcp:127.0.0.1:${String(port)}`
}

const addresses: Record<Scheme, () => string> = {
  'unix:': () => `unix:${socketPath()}`,
  'unix:@': () => `unix:${abstractName()}`,
  'pipe:': () => `pipe:sluice-test-${randomUUID()}`,
  'shm:': () => `shm:sluice-test-${randomUUID()}`,
  'tcp:': tcpAddress,
}

/** Those that this platform has. */
export const schemes = (Object.keys(addresses) as Scheme[]).filter(
  (scheme) => !onWindows || !scheme.startsWith('unix:'),
)

/** An address that nobody else has; for TCP `findPorts` comes first. */
export function addressOf(scheme: Scheme): string {
  return addresses[scheme]()
}

export function addressTransport(
  scheme: Scheme,
  { rounds, streamBytes }: { rounds: number; streamBytes: number },
): TransportUnderTest {
  const isTcp = scheme === 'tcp:'
  const isChannel = scheme === 'shm:'
  const isNamedPipe = scheme === 'pipe:' && onWindows
  const more: object = {
    // An abstract name is open to all: without this, listening on it warns.
    ...(scheme === 'unix:@' && { authorize: allow({ sameUser: true }) }),
    ...(scheme === 'pipe:' && { halfClose: true }),
  }
  const narrow: object = isNamedPipe
    ? { ...more, pendingInstances: 1 }
    : { ...more, ...(!isChannel && scheme !== 'pipe:' && { backlog: 1 }) }
  const server: ServerUnderTest = {
    address: addresses[scheme],
    listen: (address, options: ListenOptions): Promise<TestedServer> =>
      listen(address, { ...more, ...options }),
    // Node's servers of TCP take in all that come.
    ...(!isTcp && { listenNarrowly: (address: string) => listen(address, narrow) }),
    connect: (address, options) => connect(address, options),
    nobodyCodes: ['ENOENT', 'ECONNREFUSED'],
    ...(isChannel && { connectsWithin: 2000 }),
    manyClients: isNamedPipe || isChannel ? 200 : 1000,
  }
  return {
    name: `connections by ${scheme}`,
    keepsBoundaries: false,
    halfClose: true,
    hasPartialSends: true,
    findsAtOnce: !isTcp && !isNamedPipe,
    largestWrite: Infinity,
    goneCodes: isNamedPipe ? ['EPIPE'] : ['EPIPE', 'ECONNRESET'],
    ...(isChannel && channelTraits),
    ...(isTcp && { mostKept: 2 ** 24, knowsPeer: false, unrefsWrites: false }),
    knowsPeerProcess: !isTcp && !underWine,
    rounds,
    streamBytes,
    server,
    remote: { module: 'transport_address.mjs', options: {} },
    pair: (options) => pairThrough(server, options),
  }
}
