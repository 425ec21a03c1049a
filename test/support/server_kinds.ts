/** Servers of one process over two transports: one of memory, by the public contract alone, and the system's own. */
import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'

import {
  connectNamedPipe,
  connectUnix,
  NamedPipeServer,
  UnixServer,
  type Connection,
  type LimitOptions,
  type Peer,
  type Server,
} from '../../lib/index.js'
import { connectInMemory, listenInMemory } from './memory_transport.js'
import { onWindows } from './platform.js'
import { socketPath } from './sockets.js'

/** The options that all transports have in common. */
export interface KindOptions extends LimitOptions {
  idleTimeout?: number
  authorize?: (peer: Peer, connection: Connection) => boolean | Promise<boolean>
  authorizeTimeout?: number
}

export interface ServerKind {
  listen(address: string, options?: KindOptions): Promise<Server>
  connect(address: string): Promise<Connection>
  address(): string
}

const memory: ServerKind = {
  address: randomUUID,
  listen: (address, options) => listenInMemory(address, options),
  connect: (address) => connectInMemory(address),
}

// Server is invariant in its connections; here only what all of them have is used.
const systems: ServerKind = onWindows
  ? {
      address: randomUUID,
      listen: async (address, options) =>
        (await NamedPipeServer.listen(address, options)) as unknown as Server,
      connect: async (address) => await connectNamedPipe(address),
    }
  : {
      address: socketPath,
      listen: async (address, options) =>
        (await UnixServer.listen(address, options)) as unknown as Server,
      connect: async (address) => await connectUnix(address),
    }

export const serverKinds: readonly [readonly [string, ServerKind], readonly [string, ServerKind]] =
  [
    ['in memory', memory],
    [onWindows ? 'of named pipes' : 'of Unix sockets', systems],
  ]

/** A connection that is closed at the end of the test, and whose errors nobody hears. */
export function kept(connection: Connection): Connection {
  connection.on('error', () => undefined)
  onTestFinished(async () => {
    if (connection.closed) return
    // Not by events.once: that rejects when the connection was lost with an error.
    const closed = new Promise((resolve) => connection.once('close', resolve))
    connection.destroy()
    await closed
  })
  return connection
}

/** Servers and clients of one kind that are closed at the end of the test. */
export function untilTestEnds(kind: ServerKind): {
  serve: (options?: KindOptions) => Promise<{ server: Server; address: string }>
  connect: (address: string) => Promise<Connection>
} {
  return {
    async serve(options = {}) {
      const address = kind.address()
      const server = await kind.listen(address, options)
      onTestFinished(() => {
        server.close()
      })
      return { server, address }
    },
    connect: async (address) => kept(await kind.connect(address)),
  }
}
