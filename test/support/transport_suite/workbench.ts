/** Ends, servers and processes for one test of a transport: closed at its end. */
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import type { SluiceError, WaitOptions } from '../../../lib/index.js'
import { Child } from '../child.js'
import { onWindows } from '../platform.js'
import type {
  RemoteSide,
  ServerUnderTest,
  TestedConnection,
  TestedOptions,
  TestedServer,
  TransportUnderTest,
} from './transport_under_test.js'

export class Workbench {
  readonly transport: TransportUnderTest

  constructor(transport: TransportUnderTest) {
    this.transport = transport
  }

  /** A buffer of this length, or of the most bytes that this transport takes at once. */
  bytes(length: number): Buffer {
    return Buffer.alloc(Math.min(length, this.transport.largestWrite), 'sluice ')
  }

  /** `test`, or `test.fails` for one of the transport's known failures. */
  test(name: string, run: () => Promise<void>): void {
    // Some of them wait for what never comes.
    if (this.transport.knownFailures?.includes(name) === true) test.fails(name, run, 5000)
    else test(name, run)
  }

  async pair(options: TestedOptions = {}): Promise<[TestedConnection, TestedConnection]> {
    const ends = await this.transport.pair(options)
    for (const end of ends) destroyedAfterTest(end)
    return ends
  }

  /** Starts a process that has the other end; see fixtures/transport_peer.mjs for what it does. */
  async pairWithProcess(): Promise<{ connection: TestedConnection; child: Child }> {
    const { server, remote } = this.transport
    if (remote === undefined) throw new Error(`${this.transport.name} stays in one process`)
    if (server !== undefined) {
      const listening = await this.withServer(server).listen()
      const child = this.client(remote, listening.address)
      const connection = destroyedAfterTest(await listening.server.accept())
      listening.server.close()
      expect(await child.next()).toBe('ready')
      return { connection, child }
    }
    const [connection, other] = await this.pair()
    if (remote.descriptorOf === undefined) throw new Error('no way to hand an end to a child')
    const child = new Child(
      'transport_peer.mjs',
      [remote.module, JSON.stringify(remote.options), 'inherit', 3],
      { descriptors: [remote.descriptorOf(other)] },
    )
    expect(await child.next()).toBe('ready')
    other.destroy()
    return { connection, child }
  }

  /** A process that connects to the address. */
  client(remote: RemoteSide, address: string): Child {
    return new Child('transport_peer.mjs', [
      remote.module,
      JSON.stringify(remote.options),
      'connect',
      address,
    ])
  }

  withServer(server: ServerUnderTest): ServerBench {
    return new ServerBench(server)
  }
}

/** The part of a workbench for transports with addresses. */
export class ServerBench {
  readonly transport: ServerUnderTest

  constructor(transport: ServerUnderTest) {
    this.transport = transport
  }

  async listen(
    options: TestedOptions & { signal?: AbortSignal } = {},
  ): Promise<{ server: TestedServer; address: string }> {
    const address = this.transport.address()
    return { server: closedAfterTest(await this.transport.listen(address, options)), address }
  }

  async listenNarrowly(): Promise<{ server: TestedServer; address: string }> {
    const address = this.transport.address()
    if (this.transport.listenNarrowly === undefined) throw new Error('there is always room')
    return { server: closedAfterTest(await this.transport.listenNarrowly(address)), address }
  }

  async connect(
    address: string,
    options: TestedOptions & WaitOptions = {},
  ): Promise<TestedConnection> {
    return destroyedAfterTest(await this.transport.connect(address, options))
  }

  async accept(server: TestedServer, options: WaitOptions = {}): Promise<TestedConnection> {
    return destroyedAfterTest(await server.accept(options))
  }
}

function closedAfterTest(server: TestedServer): TestedServer {
  onTestFinished(() => {
    server.close()
  })
  return server
}

const ofThisTest: TestedConnection[] = []

/** Closes it after the test, whose business an error that comes then is not. */
export function destroyedAfterTest(connection: TestedConnection): TestedConnection {
  watchedForClose(connection)
  ofThisTest.push(connection)
  onTestFinished(destroyAll)
  return connection
}

// All together: the end of one is an error for the other, which needs its listener before.
async function destroyAll(): Promise<void> {
  const connections = ofThisTest.splice(0)
  for (const connection of connections) ignoreErrors(connection).destroy()
  await Promise.all(connections.map(closeOf))
}

export function ignoreErrors(connection: TestedConnection): TestedConnection {
  return connection.on('error', () => undefined)
}

const closings = new WeakMap<TestedConnection, Promise<void>>()

/** Remembers its close event: `closed` is true before that is emitted. */
export function watchedForClose(connection: TestedConnection): TestedConnection {
  // Not by `once`: a listener of the end has the peer's end awaited although nobody reads.
  closings.set(
    connection,
    new Promise((resolve) => connection.prependOnceListener('close', resolve)),
  )
  return connection
}

/** Resolves after its close event. Unlike `once` it does not mind an error. */
export async function closeOf(connection: TestedConnection): Promise<void> {
  if (!closings.has(connection)) watchedForClose(connection)
  await closings.get(connection)
}

/** The whole of a stream, which is destroyed at its end as `for await` does. */
export async function text(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The whole of a stream, which is not destroyed at its end, other than by `text`. */
export async function collected(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks).toString()
}

/** The text of the next `receive`; undefined at the end. */
export async function received(
  connection: TestedConnection,
  options: WaitOptions = {},
): Promise<string | undefined> {
  return (await connection.receive(options))?.data.toString()
}

/** Receives so many bytes, which a stream may bring in any pieces. */
export async function receivedBytes(connection: TestedConnection, length: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let left = length; left > 0;) {
    const message = await connection.receive()
    if (message === undefined) break
    pieces.push(message.data)
    left -= message.data.length
  }
  return Buffer.concat(pieces)
}

/** Everything that `receive` gives, up to the end. */
export async function receivedToEnd(connection: TestedConnection): Promise<Buffer[]> {
  const messages: Buffer[] = []
  for (let message; (message = await connection.receive()) !== undefined;) {
    messages.push(message.data)
  }
  return messages
}

// For a system that tells later that it has taken something after all: of a pipe a thread does.
const turnsToBeSure = 20
const aWhile = onWindows ? () => sleep(5) : turn

/** Writes zeros until the system takes no more; returns how many bytes were written. */
export async function fill(connection: TestedConnection): Promise<number> {
  let bytes = 0
  for (let turns = 0; turns < turnsToBeSure; turns++) {
    while (connection.writableLength === 0) {
      connection.write(Buffer.alloc(65536))
      bytes += 65536
      turns = 0
      await aWhile()
    }
    await aWhile()
  }
  return bytes
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** The system's name for the failure. */
export function codeOf(error: unknown): string | undefined {
  return (error as Partial<SluiceError>).code
}

export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

/** How it ends, without an unhandled rejection before somebody looks. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [outcome] = await Promise.allSettled([promise])
  return outcome
}

/** Numbers below a limit, the same ones for the same seed. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Aborts now, or after one of the small delays that the event loop knows. */
export function abortSoon(controller: AbortController, how: number): void {
  const abort = () => {
    controller.abort()
  }
  if (how === 0) abort()
  else if (how === 1) queueMicrotask(abort)
  else if (how === 2) process.nextTick(abort)
  else setImmediate(abort)
}

export const abortError = expect.objectContaining({ name: 'AbortError' }) as Error

/** `test` where the transport promises this; elsewhere there is no such test, not one that is skipped. */
export function testIf(condition: boolean): typeof test {
  return condition ? test : (nothing as unknown as typeof test)
}

export function describeIf(condition: boolean): typeof describe {
  return condition ? describe : (nothing as unknown as typeof describe)
}

function nothing(): void {
  // There is nothing to hold it to.
}
