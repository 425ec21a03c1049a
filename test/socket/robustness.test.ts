/** Nothing breaks by a careless user, a hostile peer or an unlucky moment. */
import { getEventListeners, once, setMaxListeners } from 'node:events'
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'

import {
  connectUnix,
  FileDescriptor,
  peerCredentials,
  Ring,
  socketPair,
  UnixDatagram,
  UnixServer,
  type Authorize,
  type UnixConnection,
} from '../../lib/index.js'
import { systemError } from '../../lib/core/errors.js'
import { makeFifo } from '../support/folder.js'
import { onlyIf } from '../support/platform.js'
import { eventually, openDescriptors, noMoreDescriptorsThan } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { closeAll, connected, fill, listening, socketPath } from '../support/sockets.js'
import { caughtWarnings } from '../support/warnings.js'

async function connectTo(server: { address: string }): Promise<UnixConnection> {
  return closedAfterTest(await connectUnix(server.address))
}

describe('authorize', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a number', 1],
    ['a promise of a string', Promise.resolve('no')],
  ])('that answers with %s refuses, and the server goes on', async (_, verdict) => {
    const answers = [verdict, true]
    const authorize = (() => answers.shift()) as Authorize
    const server = await listening({ authorize })
    const accept = server.accept()
    const refused = await connectTo(server)
    expect(await refused.receive()).toBeUndefined()
    const admitted = await connectTo(server)
    admitted.write('x')
    const connection = closedAfterTest(await accept)
    expect((await connection.receive())?.data.toString()).toBe('x')
  })

  test('that never answers refuses, and others come in', async () => {
    const answers = [new Promise<boolean>(() => undefined), true]
    const server = await listening({
      authorize: () => answers.shift() ?? false,
      authorizeTimeout: 50,
    })
    const warnings = caughtWarnings()
    const accept = server.accept()
    const silent = await connectTo(server)
    expect(await silent.receive()).toBeUndefined()
    await connectTo(server)
    closedAfterTest(await accept)
    expect(warnings.map(({ message }) => message)).toEqual([
      'authorize failed, the connection is refused: no answer within 50 ms',
    ])
  })

  test('may close the server: whoever was let in by then is told', async () => {
    let close = (): void => undefined
    const server = await listening({
      authorize: () => {
        close()
        return true
      },
    })
    close = () => {
      server.close()
    }
    const clients = await Promise.all([connectTo(server), connectTo(server)])
    const accept = server.accept()
    await expect(accept).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    for (const client of clients) expect(await client.receive({ timeout: 5000 })).toBeUndefined()
  })
})

describe('a connection', () => {
  test('has one marker for the sends that wait, and those after a write come after it', async () => {
    const { client, accepted } = await connected()
    await fill(client)
    const first = client.send(Buffer.from('1'))
    const cancelled = client.send(Buffer.from('never'), { timeout: 0 })
    client.write('2')
    const last = client.send(Buffer.from('3'))
    await expect(cancelled).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
    client.end('4')
    let text = ''
    for await (const chunk of accepted) text += String(chunk).replaceAll('\0', '')
    expect(text).toBe('1234')
    await Promise.all([first, last])
  })

  test.each(['for await', 'readable'])(
    'announces descriptors before what they came with, read by %s',
    async (way) => {
      const { client, accepted } = await connected()
      const seen: string[] = []
      accepted.on('fds', (fds: FileDescriptor[]) => {
        seen.push('fds')
        closeAll(fds)
      })
      const reading = (async () => {
        if (way === 'for await') {
          for await (const chunk of accepted) {
            await turn() // so that the stream reads ahead
            seen.push((chunk as Buffer).toString())
          }
          return
        }
        accepted.on('readable', () => {
          const chunk = accepted.read() as Buffer | null
          if (chunk !== null) seen.push(chunk.toString())
        })
        await once(accepted, 'end')
      })()
      await client.send(Buffer.from('one '))
      await eventually(() => seen.length > 0)
      // From here on the kernel puts together what has no descriptors and what comes after it.
      await client.send(Buffer.from('two '), { fds: [0] })
      await client.send(Buffer.from('three '))
      await client.send(Buffer.from('four '), { fds: [0, 0] })
      client.end()
      await reading
      expect(seen.join('')).toBe('one fdstwo fdsthree four ')
    },
  )

  test('closes descriptors that it still holds when it is destroyed', async () => {
    const { client, accepted } = await connected()
    const count = () => Object.values(openDescriptors()).reduce((sum, more) => sum + more, 0)
    const before = count()
    accepted.on('fds', closeAll)
    accepted.pause()
    await client.send(Buffer.from('first'))
    accepted.read(0)
    await eventually(() => accepted.readableLength > 0)
    await client.send(Buffer.from('second'), { fds: [0] })
    await eventually(() => count() > before)
    accepted.destroy()
    await eventually(() => count() < before)
  })

  test('keeps nothing of sends that were cancelled before their turn', async () => {
    const { client } = await connected()
    await fill(client)
    const before = client.writableLength
    for (let i = 0; i < 1100; i++) {
      await expect(client.send(Buffer.alloc(1000), { timeout: 0 })).rejects.toThrow(
        sluiceError('ERR_SLUICE_TIMEOUT'),
      )
    }
    expect(client.writableLength).toBe(before)
  })

  test('that only writes is closed when both sides have ended', async () => {
    const { client, accepted } = await connected()
    const closed = once(client, 'close')
    client.end('last words')
    for await (const chunk of accepted) expect(String(chunk)).toBe('last words')
    await closed
  })

  test('tells with close whether there was an error', async () => {
    const { client, accepted } = await connected()
    client.on('error', () => undefined)
    // Not the `once` of node:events, which rejects on an error.
    const closes = [client, accepted].map(
      (end) => new Promise((resolve) => end.once('close', resolve)),
    )
    client.destroy(new Error('enough'))
    accepted.resume()
    expect(await Promise.all(closes)).toEqual([true, false])
  })

  test('goes with an agent of HTTP that keeps connections', async () => {
    const server = await listening()
    const web = createServer((_, response) => response.end('hello'))
    let connections = 0
    const serving = (async () => {
      for await (const connection of server) {
        connections++
        web.emit('connection', connection)
      }
    })()
    // Not as a method of a class: its declared type knows nothing of the callback's second way.
    const agent = new Agent({ keepAlive: true })
    Object.assign(agent, {
      createConnection: (_: unknown, callback: (error: unknown, stream?: Duplex) => void) => {
        connectTo(server).then((connection) => {
          callback(null, connection)
        }, callback)
      },
    })
    for (let i = 0; i < 2; i++) {
      const text = await new Promise<string>((resolve, reject) => {
        get({ agent, path: '/' }, (response) => {
          response.setEncoding('utf8').once('data', resolve)
        }).on('error', reject)
      })
      expect(text).toBe('hello')
      await turn()
    }
    expect(connections).toBe(1)
    agent.destroy()
    web.closeAllConnections()
    server.close()
    await serving
  })

  test('does not lose what it has read to somebody who transfers the memory of another', async () => {
    const one = await connected()
    const other = await connected()
    other.client.write('kept')
    other.accepted.read(0)
    await eventually(() => other.accepted.readableLength === 4)
    one.client.write('mine')
    const [chunk] = (await once(one.accepted, 'data')) as [Buffer]
    const { port1, port2 } = new MessageChannel()
    try {
      port1.postMessage(chunk.buffer, [chunk.buffer as ArrayBuffer])
    } catch {
      // It may be forbidden, as for Buffers of Node's own pool.
    }
    port1.close()
    port2.close()
    expect(String(other.accepted.read())).toBe('kept')
  })

  test('announces descriptors just before their chunk, however slow its reader is', async () => {
    const { client, accepted } = await connected()
    const seen: string[] = []
    accepted.on('fds', (fds: FileDescriptor[]) => {
      seen.push('fds')
      closeAll(fds)
    })
    accepted.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    await client.send(Buffer.from('first'))
    await eventually(() => seen.length === 1)
    accepted.pause()
    await client.send(Buffer.from('second'))
    accepted.read(0)
    await eventually(() => accepted.readableLength > 0)
    await client.send(Buffer.from('third'), { fds: [0] })
    for (let i = 0; i < 10; i++) await turn()
    accepted.resume()
    await eventually(() => seen.includes('third'))
    expect(seen).toEqual(['first', 'second', 'fds', 'third'])
  })
})

describe('messages', () => {
  test.each(['seqpacket', 'datagram'] as const)(
    'of %s that are small and kept cost little memory',
    async (type) => {
      const [one, other] = type === 'datagram' ? socketPair(type) : socketPair(type)
      closedAfterTest(one)
      closedAfterTest(other)
      const buffers = new Set<ArrayBufferLike>()
      for (let i = 0; i < 100; i++) {
        await one.send(Buffer.from('small'))
        const message = await other.receive()
        if (message !== undefined) buffers.add(message.data.buffer)
      }
      const bytes = [...buffers].reduce((total, { byteLength }) => total + byteLength, 0)
      expect(bytes).toBeLessThan(2 ** 20)
    },
  )

  test('an empty write to a seqpacket stream is not the end for a peer that reads 0 bytes', async () => {
    const [one, other] = socketPair('seqpacket')
    closedAfterTest(one)
    closedAfterTest(other)
    one.write('x')
    one.write(Buffer.alloc(0))
    one.write('y')
    expect((await other.receive())?.data.toString()).toBe('x')
    expect((await other.receive())?.data.toString()).toBe('y')
  })

  test('a datagram that breaks a limit does not end the iteration', async () => {
    const path = socketPath()
    const socket = closedAfterTest(await UnixDatagram.bind(path))
    const sender = closedAfterTest(await UnixDatagram.bind())
    await sender.send(Buffer.from('too many'), path, { fds: Array.from({ length: 65 }, () => 0) })
    await sender.send(Buffer.from('good'), path)
    for await (const { data } of socket) {
      expect(data.toString()).toBe('good')
      break
    }
  })
})

describe('a received descriptor', () => {
  test('of a directory or a FIFO in /dev/shm is not memory', () => {
    const directory = mkdtempSync('/dev/shm/sluice-test-')
    onTestFinished(() => {
      rmSync(directory, { recursive: true })
    })
    makeFifo(`${directory}/fifo`)
    const kinds = [openSync(directory, 'r'), openSync(`${directory}/fifo`, 'r+')].map((fd) => {
      const descriptor = FileDescriptor.adopt(fd)
      const { kind } = descriptor
      descriptor.close()
      return kind
    })
    expect(kinds).toEqual(['directory', 'pipe'])
  })

  test.each(['toSocket', 'toReadStream', 'toWriteStream', 'toServer'] as const)(
    'that Node cannot use does not leak: %s',
    async (method) => {
      const [one, other] = socketPair('datagram')
      closedAfterTest(one)
      closedAfterTest(other)
      const before = openDescriptors()
      const descriptor = FileDescriptor.duplicate(one.fd)
      try {
        await once(descriptor[method](), 'error').catch(() => undefined)
      } catch {
        descriptor.close()
      }
      await turn()
      await noMoreDescriptorsThan(before)
    },
  )
})

test('a listening socket has no peer', async () => {
  const server = await listening()
  expect(() => peerCredentials(server)).toThrow(sluiceError('ENOTCONN'))
})

test('the mode of an abstract name is an error: nothing would come of it', () => {
  expect(() => UnixServer.listen('@sluice-test', { mode: 0o600 })).toThrow(
    sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
  )
})

test('closing leaves a lock alone that is another server’s by now', async () => {
  const first = await listening()
  rmSync(first.address)
  rmSync(`${first.address}.lock`)
  closedAfterTest(await UnixServer.listen(first.address))
  first.close()
  expect(existsSync(`${first.address}.lock`)).toBe(true)
})

onlyIf(process.platform === 'linux', 'each system has its own numbers')(
  'errors that libuv does not know have their names',
  () => {
    const etoomanyrefs = 109
    expect(systemError('', 'sendmsg', -etoomanyrefs).code).toBe('ETOOMANYREFS')
  },
)

test('the buffers that the system has given can be asked for', async () => {
  const options = { sendBufferSize: 2 ** 16, receiveBufferSize: 2 ** 15 }
  const [one, other] = socketPair('stream', options)
  const datagram = closedAfterTest(await UnixDatagram.bind(socketPath(), options))
  for (const socket of [one, other, datagram]) {
    expect(socket.bufferSizes).toEqual({ send: 2 ** 16, receive: 2 ** 15 })
  }
  const [greedy, modest] = socketPair('stream', { sendBufferSize: 2 ** 30 })
  expect(greedy.bufferSizes.send).toBeLessThan(2 ** 30)
  expect(greedy.bufferSizes.receive).toBeGreaterThan(0)
  for (const connection of [one, other, greedy, modest]) {
    connection.destroy()
    expect(() => connection.bufferSizes).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  }
  datagram.close()
  expect(() => datagram.bufferSizes).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

test('eleven waits of each kind may have one signal, without a warning of a leak', async () => {
  const warnings = caughtWarnings()
  const controller = new AbortController()
  const { signal } = controller
  setMaxListeners(10, signal) // the limit of every other event target
  const eleven = Array.from({ length: 11 }, (_, index) => index)
  const rings = eleven.map(() => closedAfterTest(Ring.anonymous({ capacity: 4096 })))
  const servers = await Promise.all(
    eleven.map((index) => UnixServer.listen(`${socketPath()}${String(index)}`, { signal })),
  )
  const pairs = eleven.map(() => socketPair())
  const waits = [
    ...rings.map((ring) => ring.consumer().consume(() => undefined, { signal })),
    ...rings.map((ring) => {
      const producer = ring.producer()
      while (producer.tryWrite(Buffer.alloc(1000)));
      return producer.write(Buffer.alloc(1000), { signal })
    }),
    ...servers.map((server) => server.accept({ signal })),
    ...servers.map((server) => server.shutdown({ signal })),
    ...pairs.map(([one]) => one.receive({ signal })),
  ]
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  const settled = Promise.allSettled(waits)
  controller.abort()
  await settled
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  for (const connection of pairs.flat()) connection.destroy()
  await new Promise((resolve) => setImmediate(resolve)) // warnings come on the next tick
  expect(warnings).toEqual([])
})
