import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import {
  FileDescriptor,
  Ring,
  SharedMemory,
  socketPair,
  type DescriptorSource,
  type ReceivedUnixMessage,
  type UnixConnection,
} from '../../lib/index.js'
import { Child, limitedTo } from '../support/child.js'
import { makeFifo, temporaryFolder } from '../support/folder.js'
import {
  collectGarbage,
  eventually,
  openDescriptors,
  noMoreDescriptorsThan,
} from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { closeAll, fill, listening } from '../support/sockets.js'
import { caughtWarnings, nextWarning } from '../support/warnings.js'

function pair(
  type: 'stream' | 'seqpacket' = 'stream',
  maxDescriptors = 253,
): [UnixConnection, UnixConnection] {
  const ends = socketPair(type, { maxDescriptors })
  onTestFinished(() => {
    for (const end of ends) end.destroy()
  })
  return ends
}

async function receiveFrom(connection: UnixConnection): Promise<ReceivedUnixMessage> {
  const message = await connection.receive()
  if (message === undefined) throw new Error('the connection ended')
  onTestFinished(() => {
    closeAll(message.fds)
  })
  return message
}

/** Sends one descriptor and returns what arrives at the other end. */
async function passed(source: DescriptorSource): Promise<FileDescriptor> {
  const [one, other] = pair()
  await one.send(Buffer.from('x'), { fds: [source] })
  const { fds } = await receiveFrom(other)
  expect(fds).toHaveLength(1)
  return fds[0]
}

function temporaryFile(content = ''): string {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, content)
  return path
}

function opened(path: string, flags = 'r'): number {
  const fd = openSync(path, flags)
  onTestFinished(() => {
    closeSync(fd)
  })
  return fd
}

/** The ring that Python sends when it is given the bytes of one. */
async function ringFromPython(
  kind: string,
): Promise<{ fds: FileDescriptor[]; child: Child; connection: UnixConnection }> {
  const model = Ring.anonymous({ capacity: 4096 })
  const memory = SharedMemory.fromFd(model.fd)
  const path = temporaryFile()
  writeFileSync(path, new Uint8Array(memory.buffer))
  memory.close()
  model.close()
  const server = await listening()
  const child = new Child('memory_sender.py', [server.address, path, kind], { program: 'python3' })
  const connection = closedAfterTest(await server.accept())
  const { fds } = await receiveFrom(connection)
  expect(fds).toHaveLength(1)
  return { fds, child, connection }
}

function sameFile(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one, { bigint: true }), fstatSync(other, { bigint: true })]
  return a.dev === b.dev && a.ino === b.ino
}

describe.each(['stream', 'seqpacket'] as const)('over a %s connection', (type) => {
  test.each([1, 2, 64, 253])('%i descriptors go at once, in order', async (count) => {
    const [one, other] = pair(type)
    const directory = temporaryFolder()
    const files = Array.from({ length: count }, (_, i) => opened(join(directory, String(i)), 'w'))
    await one.send(Buffer.from('here they are'), { fds: files })
    const { data, fds } = await receiveFrom(other)
    expect(data.toString()).toBe('here they are')
    expect(fds).toHaveLength(count)
    expect(fds.every((descriptor, i) => sameFile(descriptor.number, files[i]))).toBe(true)
    for (const descriptor of fds) {
      expect(files).not.toContain(descriptor.number)
    }
  })

  test('they stay with their bytes in the middle of other data', async () => {
    const [one, other] = pair(type)
    const directory = temporaryFolder()
    const rounds = 200
    const sending = (async () => {
      for (let i = 0; i < rounds; i++) {
        one.write(`<${String(i)}>`.repeat(1 + (i % 50)))
        const fd = openSync(join(directory, String(i)), 'w')
        await one.send(Buffer.from(`[${String(i)}]`), { fds: [fd] })
        closeSync(fd)
        if (i % 3 === 0) one.write('.'.repeat(i))
      }
      one.end()
    })()
    let next = 0
    for (let message; (message = await other.receive()) !== undefined;) {
      const text = message.data.toString()
      // The bytes that the descriptor came with are in the same piece, and no other's are.
      const marks = [...text.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1]))
      expect(marks).toHaveLength(message.fds.length)
      for (const [at, descriptor] of message.fds.entries()) {
        const path = join(directory, String(next))
        expect(marks[at]).toBe(next++)
        expect(fstatSync(descriptor.number).ino).toBe(fstatSync(opened(path)).ino)
        descriptor.close()
      }
    }
    expect(next).toBe(rounds)
    await sending
  })

  test('with more than the limit the connection is destroyed, and they are closed', async () => {
    const [one, other] = pair(type, 2)
    const fds = [0, 1, 2].map(() => opened('/dev/null'))
    const counts = openDescriptors()
    await one.send(Buffer.from('x'), { fds: fds.slice(1) })
    closeAll((await receiveFrom(other)).fds)
    expect(openDescriptors()).toEqual(counts)
    await one.send(Buffer.from('x'), { fds })
    await expect(other.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_FDS_LIMIT'))
    expect(other.destroyed).toBe(true)
    expect(openDescriptors()['/dev/null']).toBe(counts['/dev/null'])
  })

  test('the stream interface announces them just before their chunk', async () => {
    const [one, other] = pair(type)
    const events: string[] = []
    other.on('fds', (fds: FileDescriptor[]) => {
      events.push(`fds ${String(fds.length)}`)
      closeAll(fds)
    })
    other.on('data', (chunk: Buffer) => events.push(chunk.toString()))
    one.write('before')
    await once(other, 'data')
    const fd = opened('/dev/null')
    await one.send(Buffer.from('with'), { fds: [fd, fd] })
    await eventually(() => events.length === 3)
    expect(events).toEqual(['before', 'fds 2', 'with'])
  })

  test('without a listener of fds the stream interface closes them', async () => {
    const [one, other] = pair(type)
    const fd = opened('/dev/null')
    const counts = openDescriptors()
    other.resume()
    await one.send(Buffer.from('x'), { fds: [fd, fd, fd] })
    await once(other, 'data')
    await noMoreDescriptorsThan(counts)
  })
})

describe('what can be sent', () => {
  test('a file', async () => {
    const descriptor = await passed(opened(temporaryFile('content')))
    expect(descriptor.kind).toBe('file')
    expect(readFileSync(descriptor.number, 'utf8')).toBe('content')
  })

  test('a directory', async () => {
    const directory = temporaryFolder()
    mkdirSync(join(directory, 'inside'))
    const descriptor = await passed(opened(directory))
    expect(descriptor.kind).toBe('directory')
    expect(existsSync(`/proc/self/fd/${String(descriptor.number)}/inside`)).toBe(true)
  })

  test('a fs.FileHandle', async () => {
    const handle = await open(temporaryFile('content'))
    const descriptor = await passed(handle)
    await handle.close()
    expect(readFileSync(descriptor.number, 'utf8')).toBe('content')
  })

  test('a pipe, through which bytes then go', async () => {
    const [reading, writing] = pipe()
    const descriptor = await passed(reading)
    closeSync(reading)
    expect(descriptor.kind).toBe('pipe')
    const stream = descriptor.toReadStream()
    writeSync(writing, 'through the pipe')
    closeSync(writing)
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('through the pipe')
  })

  test('a connected socket: one end of a pair, a UnixConnection', async () => {
    const [far, near] = pair()
    const descriptor = await passed(near)
    expect(descriptor.kind).toBe('socket')
    near.destroy()
    const socket = descriptor.toSocket()
    far.write('hello')
    expect(((await once(socket, 'data')) as [Buffer])[0].toString()).toBe('hello')
    socket.destroy()
  })

  test('a net.Socket over TCP', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
    const [accepted] = (await once(server, 'connection')) as [Socket]
    const socket = (await passed(client)).toSocket()
    client.destroy()
    accepted.end('from the server')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('from the server')
    server.close()
  })

  test('a listening net.Server, which then accepts there', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const successor: Server = (await passed(server)).toServer()
    await once(successor, 'listening')
    server.close()
    const accepted = once(successor, 'connection') as Promise<[Socket]>
    const client = createConnection(port, '127.0.0.1')
    const [socket] = await accepted
    socket.end('from the successor')
    expect(((await once(client, 'data')) as [Buffer])[0].toString()).toBe('from the successor')
    client.destroy()
    successor.close()
    await once(successor, 'close')
  })

  test('a UnixServer', async () => {
    const server = await listening()
    const descriptor = await passed(server)
    expect(sameFile(descriptor.number, server.fd)).toBe(true)
  })

  test('shared memory, seals checked', async () => {
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
    new Uint8Array(memory.buffer).set([1, 2, 3])
    const descriptor = await passed(memory)
    expect(descriptor.kind).toBe('memory')
    const twin = closedAfterTest(SharedMemory.fromFd(descriptor.number))
    expect([...new Uint8Array(twin.buffer, 0, 3)]).toEqual([1, 2, 3])
    new Uint8Array(twin.buffer)[0] = 9
    expect(new Uint8Array(memory.buffer)[0]).toBe(9)
    const unsealed = closedAfterTest(SharedMemory.anonymous({ size: 4096, seal: false }))
    const other = await passed(unsealed)
    expect(() => SharedMemory.fromFd(other.number)).toThrow(sluiceError('ERR_SLUICE_UNSEALED'))
  })

  test('a ring, whose other end then is in another process', async () => {
    const server = await listening()
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    const child = new Child('ring_receiver.mjs', [server.address])
    const connection = closedAfterTest(await server.accept())
    await connection.send(Buffer.from('ring'), { fds: [ring] })
    const producer = ring.producer()
    await producer.write(Buffer.from('through the ring'))
    producer.close()
    expect(await child.next()).toBe('through the ring')
    await child.finish()
  })

  test.each(['unsealed', 'sealed against growing', 'sealed against more seals', 'file'])(
    'a ring of a hostile sender that could still shrink it is refused: %s',
    async (kind) => {
      const { fds, child, connection } = await ringFromPython(kind)
      const counts = openDescriptors()
      const refused = sluiceError('ERR_SLUICE_UNSEALED', {
        message: expect.stringContaining('not sealed against shrinking') as string,
      })
      expect(() => Ring.fromFd(fds[0].number)).toThrow(refused)
      expect(() => SharedMemory.fromFd(fds[0].number)).toThrow(refused)
      expect(openDescriptors()).toEqual(counts)
      connection.write('x')
      expect(await child.next()).toBe('shrunk')
      await child.finish()
    },
  )

  test('a ring of a sender that has sealed it is taken, whoever made it', async () => {
    const { fds, child, connection } = await ringFromPython('sealed')
    const ring = closedAfterTest(Ring.fromFd(fds[0].number))
    ring.producer().tryWrite(Buffer.from('works'))
    expect(ring.consumer().tryRead()?.toString()).toBe('works')
    connection.write('x')
    expect(await child.next()).toBe('could not shrink it')
    await child.finish()
  })

  test('a FileDescriptor', async () => {
    const original = FileDescriptor.duplicate(opened(temporaryFile('content')))
    const descriptor = await passed(original)
    original.close()
    expect(readFileSync(descriptor.number, 'utf8')).toBe('content')
    await expect(passed(original)).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test.each([
    ['-1', -1],
    ['a fraction', 1.5],
    ['NaN', NaN],
    ['a string', '1'],
    ['null', null],
    ['an object without a descriptor', {}],
    ['a closed handle', { fd: -1 }],
  ])('not %s', (_, source) => {
    const [one] = pair()
    expect(() => one.send(Buffer.from('x'), { fds: [source as never] })).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT', {
        message: expect.stringContaining('options.fds[0]'),
      }),
    )
  })

  test('not a descriptor that is closed', async () => {
    const [one] = pair()
    await expect(one.send(Buffer.from('x'), { fds: [987_654] })).rejects.toThrow(
      sluiceError('EBADF'),
    )
    expect(one.destroyed).toBe(false)
  })

  test('not more than 253, nor without a byte', () => {
    const [one] = pair()
    const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => one.send(Buffer.from('x'), { fds: Array.from({ length: 254 }, () => 0) })).toThrow(
      /at most 253 members; it has 254/,
    )
    expect(() => one.send(Buffer.alloc(0), { fds: [0] })).toThrow(wrong)
    expect(() => one.send(Buffer.from('x'), { fds: 0 as never })).toThrow(wrong)
  })
})

describe('the sender', () => {
  test('may close its descriptor as soon as send was called', async () => {
    const [one, other] = pair()
    await fill(one)
    const fd = openSync(temporaryFile('content'), 'r')
    const sending = one.send(Buffer.from('!'), { fds: [fd] })
    closeSync(fd)
    for (;;) {
      const { fds } = await receiveFrom(other)
      if (fds.length === 0) continue
      expect(readFileSync(fds[0].number, 'utf8')).toBe('content')
      break
    }
    await sending
  })

  test('attaches them once to a message that goes in several parts', async () => {
    const [one, other] = pair()
    const fd = opened('/dev/null')
    const sending = one.send(Buffer.alloc(2 ** 21), { fds: [fd] })
    let bytes = 0
    const fds: FileDescriptor[] = []
    while (bytes < 2 ** 21) {
      const message = await receiveFrom(other)
      if (bytes === 0) expect(message.fds).toHaveLength(1)
      bytes += message.data.length
      fds.push(...message.fds)
    }
    await sending
    expect(fds).toHaveLength(1)
  })

  test('closes its duplicates when the send is cancelled, and when the connection dies', async () => {
    const [one] = pair()
    await fill(one)
    const fd = opened('/dev/null')
    const counts = openDescriptors()
    const controller = new AbortController()
    const cancelled = one.send(Buffer.from('x'), { fds: [fd, fd], signal: controller.signal })
    const dying = one.send(Buffer.from('x'), { fds: [fd] })
    expect(openDescriptors()['/dev/null']).toBe((counts['/dev/null'] ?? 0) + 3)
    controller.abort()
    await expect(cancelled).rejects.toThrow()
    expect(openDescriptors()['/dev/null']).toBe((counts['/dev/null'] ?? 0) + 1)
    one.destroy()
    await expect(dying).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(openDescriptors()['/dev/null']).toBe(counts['/dev/null'])
  })
})

describe('nothing leaks', () => {
  test('of descriptors in flight to a receiver that is closed', async () => {
    const [one, other] = pair()
    const [reading, writing] = pipe()
    await one.send(Buffer.from('x'), { fds: [writing] })
    closeSync(writing)
    other.destroy()
    one.destroy()
    // The last writing end has gone with the socket.
    expect(readSync(reading, Buffer.alloc(1), 0, 1, null)).toBe(0)
    closeSync(reading)
  })

  test('of descriptors in flight to a process that is killed', async () => {
    const server = await listening()
    const child = new Child('sleeping_client.mjs', [server.address])
    const connection = closedAfterTest(await server.accept())
    connection.on('error', () => undefined)
    const [reading, writing] = pipe()
    for (let i = 0; i < 10; i++) await connection.send(Buffer.from('x'), { fds: [writing] })
    closeSync(writing)
    child.kill('SIGKILL')
    await child.exited
    expect(readSync(reading, Buffer.alloc(1), 0, 1, null)).toBe(0)
    closeSync(reading)
  })

  test('of a flood to a peer that never takes them: the sender waits, bounded', async () => {
    const [one, other] = pair()
    const fd = opened('/dev/null')
    const counts = openDescriptors()
    const sends: Promise<void>[] = []
    for (let i = 0; i < 1000; i++) {
      const send = one.send(Buffer.from('x'), { fds: Array.from({ length: 10 }, () => fd) })
      send.catch(() => undefined)
      sends.push(send)
      if (i % 50 === 0) await turn()
      if (openDescriptors()['/dev/null'] !== counts['/dev/null']) break // it waits
    }
    one.destroy()
    other.destroy()
    await Promise.allSettled(sends)
    expect(openDescriptors()['/dev/null']).toBe(counts['/dev/null'])
  })

  test('when the receiver may open no more: all are closed, the connection is destroyed', async () => {
    const server = await listening()
    const child = new Child('few_descriptors.mjs', [server.address], limitedTo(40))
    const connection = closedAfterTest(await server.accept())
    connection.on('error', () => undefined)
    const fds = Array.from({ length: 60 }, () => opened('/dev/null'))
    await connection.send(Buffer.from('too many'), { fds })
    expect(await child.next()).toEqual({
      code: 'ERR_SLUICE_FDS_TRUNCATED',
      destroyed: true,
      left: 0,
    })
    await child.finish()
  })

  test('when a received message is dropped: the collector closes it, with a warning', async () => {
    const [one, other] = pair()
    const warnings = caughtWarnings()
    const fd = opened('/dev/null')
    const counts = openDescriptors()
    await one.send(Buffer.from('x'), { fds: [fd] })
    await receiveAndForget(other)
    await eventually(() => {
      collectGarbage()
      return openDescriptors()['/dev/null'] === counts['/dev/null'] && warnings.length > 0
    })
    expect(warnings[0]?.message).toMatch(/FileDescriptor \d+ was garbage-collected without close/)
  })

  test('when a connection is forgotten', async () => {
    const counts = openDescriptors()
    const warned = nextWarning()
    makeAndForget()
    await eventually(() => openDescriptors()['socket'] === counts['socket'])
    expect((await warned).message).toContain('UnixConnection')
  })
})

describe('a FileDescriptor', () => {
  test('is close-on-exec', async () => {
    const descriptor = await passed(opened('/dev/null'))
    const flags = readFileSync(`/proc/self/fdinfo/${String(descriptor.number)}`, 'utf8')
    expect(Number.parseInt(/flags:\s*(\d+)/.exec(flags)?.[1] ?? '0', 8) & 0o2000000).not.toBe(0)
  })

  test('closes once, and then has no number', () => {
    const descriptor = FileDescriptor.duplicate(opened('/dev/null'))
    const { number } = descriptor
    descriptor.close()
    descriptor.close()
    descriptor[Symbol.dispose]()
    expect(descriptor.closed).toBe(true)
    expect(() => descriptor.number).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(() => fstatSync(number)).toThrow(/EBADF/)
  })

  test('dup makes another of the same file', () => {
    const descriptor = FileDescriptor.duplicate(opened(temporaryFile('content')))
    const twin = descriptor.dup()
    expect(sameFile(descriptor.number, twin.number)).toBe(true)
    descriptor.close()
    expect(readFileSync(twin.number, 'utf8')).toBe('content')
    twin.close()
  })

  test('detach gives the number away', () => {
    const descriptor = FileDescriptor.duplicate(opened('/dev/null'))
    const number = descriptor.detach()
    expect(descriptor.closed).toBe(true)
    fstatSync(number)
    closeSync(number)
  })

  test('adopt takes one over', () => {
    const fd = openSync('/dev/null', 'r')
    const descriptor = FileDescriptor.adopt(fd)
    expect(descriptor.number).toBe(fd)
    descriptor.close()
    expect(() => fstatSync(fd)).toThrow(/EBADF/)
    expect(() => FileDescriptor.adopt(fd)).toThrow(sluiceError('EBADF', { syscall: 'fcntl' }))
    expect(() => FileDescriptor.adopt(-1)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  })

  test('becomes a stream of a file, which closes it', async () => {
    const path = temporaryFile()
    const writer = FileDescriptor.duplicate(opened(path, 'w')).toWriteStream()
    writer.end('written')
    await once(writer, 'close')
    const reader = FileDescriptor.duplicate(opened(path)).toReadStream()
    const chunks: Buffer[] = []
    for await (const chunk of reader) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('written')
  })

  test('of a file is no socket', () => {
    const descriptor = closedAfterTest(FileDescriptor.duplicate(opened('/dev/null')))
    expect(descriptor.kind).toBe('other')
    expect(() => descriptor.toSocket()).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    expect(() => descriptor.toServer()).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  })
})

async function receiveAndForget(connection: UnixConnection): Promise<void> {
  await connection.receive()
}

function makeAndForget(): void {
  socketPair('stream')
}

/** Both ends of a pipe that is no socket: opened through a FIFO. */
function pipe(): [number, number] {
  const path = join(temporaryFolder(), 'fifo')
  makeFifo(path)
  const both = openSync(path, 'r+')
  const ends: [number, number] = [openSync(path, 'r'), openSync(path, 'w')]
  closeSync(both)
  return ends
}
