/**
 * The same case for Node's `net` and for this library: the yardstick is executed, not quoted. Where
 * they differ on purpose, the case says what each does and why.
 */
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { describe, onTestFinished } from 'vitest'

import { connectUnix, UnixServer } from '../../lib/index.js'
import { socketPath } from './sockets.js'

/** The interface that `net.Socket` and `UnixConnection` share. */
export type Connection = Duplex & {
  readonly bytesRead: number
  readonly bytesWritten: number
  setTimeout(milliseconds: number, listener?: () => void): unknown
  ref(): unknown
  unref(): unknown
}

export interface Options {
  allowHalfOpen?: boolean
  signal?: AbortSignal
}

export interface Listener {
  readonly path: string
  /** The next connection. */
  accept(): Promise<Connection>
  /** The listening one, for a child to inherit. */
  descriptor(): number
  close(): void
}

export interface Implementation {
  readonly name: string
  readonly isNode: boolean
  listen(path: string, options?: Options): Promise<Listener>
  connect(path: string, options?: Options): Promise<Connection>
}

export const node: Implementation = {
  name: "Node's net",
  isNode: true,
  async listen(path, { allowHalfOpen = false, signal } = {}) {
    const server = createServer({ allowHalfOpen })
    const { accept, discard } = queueOf(server)
    server.listen({ path, ...(signal && { signal }) })
    await once(server, 'listening')
    return {
      path,
      accept,
      descriptor: () => (server as unknown as { _handle: { fd: number } })._handle.fd,
      close: () => {
        server.close()
        discard()
      },
    }
  },
  async connect(path, options = {}) {
    const socket = createConnection({ path, ...options })
    await once(socket, 'connect')
    return socket
  },
}

function queueOf(server: Server): { accept: () => Promise<Socket>; discard: () => void } {
  const sockets: Socket[] = []
  let changed: () => void = () => undefined
  server.on('connection', (socket) => {
    sockets.push(socket)
    changed()
  })
  const accept = async () => {
    for (;;) {
      const socket = sockets.shift()
      if (socket !== undefined) return socket
      await new Promise<void>((resolve) => (changed = resolve))
    }
  }
  const discard = () => {
    for (const socket of sockets) socket.destroy()
  }
  return { accept, discard }
}

export const sluice: Implementation = {
  name: 'sluice',
  isNode: false,
  async listen(path, options = {}) {
    const server = await UnixServer.listen(path, options)
    return {
      path,
      accept: () => server.accept(),
      descriptor: () => server.fd,
      close: () => {
        server.close()
      },
    }
  },
  connect: (path, options = {}) => connectUnix(path, options),
}

/** Describes a theme, once for each. */
export function sideBySide(theme: string, cases: (implementation: Implementation) => void): void {
  for (const implementation of [node, sluice]) {
    describe(`${theme}: ${implementation.name}`, () => {
      cases(implementation)
    })
  }
}

/** Closed at the end of the test. */
export async function listenFor(
  implementation: Implementation,
  options?: Options,
  path = socketPath(),
): Promise<Listener> {
  const listener = await implementation.listen(path, options)
  onTestFinished(() => {
    listener.close()
  })
  return listener
}

const closed = new WeakSet<Duplex>()

export function destroyedAfterTest<T extends Duplex>(connection: T): T {
  connection.once('close', () => closed.add(connection))
  onTestFinished(() => {
    connection.on('error', () => undefined)
    connection.destroy()
  })
  return connection
}

/** The client's end and the server's. */
export async function pairOf(
  implementation: Implementation,
  options?: Options,
): Promise<[Connection, Connection]> {
  const listener = await implementation.listen(socketPath(), options)
  const [client, accepted] = await Promise.all([
    implementation.connect(listener.path, options),
    listener.accept(),
  ])
  listener.close()
  return [destroyedAfterTest(client), destroyedAfterTest(accepted)]
}

/** The system's name of the failure, where `net` has it. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

/** The names of these events, in the order in which they come. */
export function recorded(connection: Duplex, names: readonly string[]): string[] {
  const events: string[] = []
  for (const name of names) connection.on(name, () => events.push(name))
  return events
}

/** All that comes until the end; unlike `for await` it does not destroy the stream there. */
export async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer | string) => chunks.push(Buffer.from(chunk as Buffer)))
  await once(stream, 'end')
  return Buffer.concat(chunks).toString()
}

/** Resolves after its close event; `closed` is true before that, in net by several turns. */
export async function closeOf(stream: Duplex): Promise<void> {
  if (!closed.has(stream)) await new Promise((resolve) => stream.once('close', resolve))
}
