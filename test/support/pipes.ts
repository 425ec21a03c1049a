/** Named pipes for one test: closed at its end. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

import {
  connectNamedPipe,
  NamedPipeServer,
  type ConnectNamedPipeOptions,
  type ListenNamedPipeOptions,
  type NamedPipeConnection,
} from '../../lib/index.js'
import { closedAfterTest } from './rings.js'

/** A name that nobody else uses. */
export function pipeName(): string {
  return `sluice-test-${String(process.pid)}-${randomBytes(6).toString('hex')}`
}

export async function listen(options: ListenNamedPipeOptions = {}): Promise<NamedPipeServer> {
  return closedAfterTest(await NamedPipeServer.listen(pipeName(), options))
}

export async function connectTo(
  server: NamedPipeServer,
  options: ConnectNamedPipeOptions = {},
): Promise<NamedPipeConnection> {
  return quiet(closedAfterTest(await connectNamedPipe(server.address, options)))
}

/** Both ends of a connection: [server's, client's]. */
export async function pipePair(
  options: ListenNamedPipeOptions = {},
  client: ConnectNamedPipeOptions = {},
): Promise<[NamedPipeConnection, NamedPipeConnection]> {
  const server = await listen(options)
  const [accepted, connected] = await Promise.all([
    server.accept(),
    connectTo(server, { ...(options.mode && { mode: options.mode }), ...client }),
  ])
  return [quiet(closedAfterTest(accepted)), connected]
}

/** Errors of a connection that a test ends the hard way are none of its business. */
export function quiet<T extends NodeJS.EventEmitter>(emitter: T): T {
  emitter.on('error', () => undefined)
  return emitter
}

/** Resolves when the connection is closed to the last handle. */
export async function gone(connection: NamedPipeConnection): Promise<void> {
  // Not events.once, which an error that comes first would end.
  if (!connection.closed) await new Promise((resolve) => connection.once('close', resolve))
}

export async function netServer(path: string, onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onSocket)
  server.listen(path)
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  return server
}

export async function netClient(path: string): Promise<Socket> {
  const socket = connect({ path })
  await once(socket, 'connect')
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}

export async function allOf(stream: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
