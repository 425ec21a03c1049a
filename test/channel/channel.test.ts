import { createHash, randomBytes } from 'node:crypto'
import { fstatSync, mkdtempSync, openSync, closeSync } from 'node:fs'
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { ControlKind, encodeControl } from '../../lib/channel/control_message.js'
import {
  Channel,
  ChannelServer,
  connectChannel,
  token,
  type FileDescriptor,
  type ReceivedChannelMessage,
} from '../../lib/index.js'
import {
  channelAddress,
  channels,
  channelServer,
  RawPeer,
  withRawPeer,
} from '../support/channels.js'
import { temporaryFolder } from '../support/folder.js'
import { unixOnly } from '../support/platform.js'
import {
  eventually,
  holdsNoMoreThan,
  noMoreDescriptorsThan,
  openDescriptors,
  resources,
  type Resources,
} from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { stress } from '../support/stress.js'

async function receiveFrom(channel: Channel): Promise<ReceivedChannelMessage> {
  const message = await channel.receive({ timeout: 30_000 })
  if (message === undefined) throw new Error('the channel ended')
  for (const fd of message.fds) closedAfterTest(fd)
  return message
}

describe('the bytes of a channel', () => {
  test(
    'are the same at the other end, in both directions at once, in pieces of all sizes',
    { timeout: 600_000 },
    async () => {
      const length = stress({ short: 2 ** 26, full: 2 ** 30, long: 10 * 2 ** 30 })
      const [one, other] = await channels({ allowHalfOpen: true })
      const block = randomBytes(2 ** 20 + 13)

      async function write(channel: Channel): Promise<string> {
        const hash = createHash('sha256')
        function* pieces(): Generator<Buffer> {
          let left = length
          for (let size = 1; left > 0; size = size * 3 + 1) {
            if (size > block.length) size = 1
            const piece = block.subarray(0, Math.min(size, left))
            left -= piece.length
            hash.update(piece)
            yield piece
          }
        }
        await pipeline(Readable.from(pieces()), channel)
        return hash.digest('hex')
      }

      async function read(channel: Channel): Promise<string> {
        const hash = createHash('sha256')
        // A loop over the stream would close the other direction at its end.
        channel.on('data', (chunk: Buffer) => hash.update(chunk))
        await once(channel, 'end')
        return hash.digest('hex')
      }

      const memory = process.memoryUsage().rss
      const [sentByOne, sentByOther, readByOne, readByOther] = await Promise.all([
        write(one),
        write(other),
        read(one),
        read(other),
      ])
      expect([readByOther, readByOne]).toEqual([sentByOne, sentByOther])
      expect(one.bytesWritten).toBe(length)
      expect(other.bytesRead).toBe(length)
      expect(process.memoryUsage().rss - memory).toBeLessThan(2 ** 28)
    },
  )

  test('that one writes by the ring are a stream to the other', async () => {
    const [one, other] = await channels()
    one.producer.tryWrite(Buffer.from('by hand '))
    one.producer.tryReserve(9)
    one.producer.bytes.write('in place ', one.producer.offset)
    one.producer.commit()
    await one.send(Buffer.from('and sent'))
    expect((await receiveFrom(other)).data.toString()).toBe('by hand in place and sent')
  })

  test('can be read in place from the ring', async () => {
    const [one, other] = await channels()
    const read: string[] = []
    const consuming = other.consumer.consume((message) => {
      read.push(message.toString())
      return read.length < 2
    })
    one.write('first')
    await turn()
    await one.send(Buffer.from('second'))
    await consuming
    expect(read.join()).toBe('first,second')
  })

  test('wait while the peer does not read: a write has its time, and its memory is free then', async () => {
    const [one] = await channels({ capacity: 4096 })
    const bytes = Buffer.alloc(100_000)
    await expect(one.send(bytes, { timeout: 50 })).rejects.toThrow(
      sluiceError('ERR_SLUICE_TIMEOUT'),
    )
    // A part of it has gone, so the peer could make no sense of what follows.
    expect(one.destroyed).toBe(true)
    await expect(one.send(Buffer.of(1))).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('of many channels at once go their own ways', { timeout: 120_000 }, async () => {
    const count = stress({ short: 100, full: 500, long: 500 })
    const before = resources()
    const server = await channelServer({ capacity: 4096 })
    const serving = (async () => {
      for await (const channel of server) {
        channel.on('error', () => undefined)
        channel.pipe(channel)
      }
    })()
    const clients = await Promise.all(
      Array.from({ length: count }, () => connectChannel(server.address)),
    )
    await Promise.all(
      clients.map(async (client, i) => {
        for (let round = 0; round < 10; round++) {
          const bytes = Buffer.from(`${String(i)}:${String(round)}`)
          await client.send(bytes)
          expect((await client.receive())?.data).toEqual(bytes)
        }
        client.end()
        expect(await client.receive()).toBeUndefined()
      }),
    )
    server.close()
    await serving
    for (const client of clients) client.destroy()
    await eventually(
      () => holdsNoMoreThan(before),
      () => JSON.stringify([before, resources()]),
    )
  })
})

const onUnix = unixOnly('channels carry no handles on Windows')

describe('descriptors', () => {
  function file(): number {
    const fd = openSync(join(temporaryFolder(), 'file'), 'w+')
    closedAfterTest({
      close() {
        closeSync(fd)
      },
    })
    return fd
  }

  onUnix('come with the bytes that they were sent with', async () => {
    const [one, other] = await channels()
    const fds = [file(), file(), file()]
    const inodes = fds.map((fd) => fstatSync(fd).ino)
    await one.send(Buffer.from('before'))
    await one.send(Buffer.from('first'), { fds: fds.slice(0, 1) })
    await one.send(Buffer.from('between'))
    await one.send(Buffer.from('second'), { fds: fds.slice(1) })
    const seen: [string, number[]][] = []
    while (seen.length < 4) {
      const { data, fds: received } = await receiveFrom(other)
      seen.push([data.toString(), received.map(({ number }) => fstatSync(number).ino)])
    }
    expect(seen).toEqual([
      ['before', []],
      ['first', inodes.slice(0, 1)],
      ['between', []],
      ['second', inodes.slice(1)],
    ])
  })

  onUnix('come before the bytes to a reader of the stream', async () => {
    const [one, other] = await channels()
    const events: string[] = []
    other.on('fds', (fds: FileDescriptor[]) => {
      for (const fd of fds) fd.close()
      events.push(`${String(fds.length)} descriptors`)
    })
    other.on('data', (chunk: Buffer) => events.push(chunk.toString()))
    const fd = file()
    await one.send(Buffer.from('x'))
    await turn()
    await one.send(Buffer.from('y'), { fds: [fd, fd] })
    one.end()
    await once(other, 'end')
    expect(events).toEqual(['x', '2 descriptors', 'y'])
  })

  onUnix('that nobody takes are closed, also of a channel that closes', async () => {
    const before = resources()
    const [one, other] = await channels()
    const fd = openSync(mkdtempSync(join(tmpdir(), 'sluice-test-')), 'r')
    for (let i = 0; i < 40; i++) {
      one.send(Buffer.of(i), { fds: [fd] }).catch(() => undefined)
    }
    for (const received of (await other.receive())?.fds ?? []) received.close()
    one.destroy()
    other.destroy()
    closeSync(fd)
    await eventually(
      () => holdsNoMoreThan(before),
      () => JSON.stringify([before, resources()]),
    )
  })

  onUnix('need a byte to travel with', async () => {
    const [one] = await channels()
    expect(() => one.send(Buffer.alloc(0), { fds: [file()] })).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
  })

  onUnix('a send of them that is cancelled leaves the channel as it was', async () => {
    const [one, other] = await channels()
    const reason = new Error('enough')
    const fd = file()
    await expect(
      one.send(Buffer.from('never'), { fds: [fd], signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
    await one.send(Buffer.from('all the same'), { fds: [fd] })
    const { data, fds } = await receiveFrom(other)
    expect([data.toString(), fds.length]).toEqual(['all the same', 1])
  })
})

describe('a hostile peer', () => {
  const corrupt = { code: 'ERR_SLUICE_CORRUPT' }

  onUnix('that writes nonsense into the ring ends its channel', async () => {
    const { channel, toServer } = await withRawPeer()
    const receiving = channel.receive()
    receiving.catch(() => undefined)
    const producer = toServer.producer()
    const words = new Int32Array(producer.bytes.buffer)
    words[4096 / 4 + 1] = 0
    Atomics.store(words, 4096 / 4, 0x80000000 | 60_000)
    producer.abandon()
    await expect(receiving).rejects.toMatchObject(corrupt)
    expect(channel.destroyed).toBe(true)
  })

  onUnix.each(['data', 'receive'])(
    'that invents records without bytes stops nobody: %s',
    async (how) => {
      const { channel, toServer } = await withRawPeer()
      if (how === 'data') channel.resume()
      else channel.receive().catch(() => undefined)
      const producer = toServer.producer()
      const words = new Int32Array(producer.bytes.buffer)
      for (let unit = 0; unit < toServer.capacity / 8; unit++) {
        words[4096 / 4 + 2 * unit + 1] = 0
        Atomics.store(words, 4096 / 4 + 2 * unit, 0x80000000 | 0)
      }
      await new Promise((resolve) => setTimeout(resolve, 50)) // which never came
      channel.destroy()
      producer.abandon()
    },
  )

  onUnix(
    'that sends more descriptors than it names ends its channel, and none is kept',
    async () => {
      const { channel, peer } = await withRawPeer()
      const receiving = channel.receive()
      receiving.catch(() => undefined)
      const before = openDescriptors()
      const file = openSync('/dev/null', 'r')
      await peer.say({ kind: ControlKind.cargo, number: 1, count: 1 }, [file, file, file])
      await expect(receiving).rejects.toMatchObject(corrupt)
      closeSync(file)
      await noMoreDescriptorsThan(before)
    },
  )

  onUnix('that sends descriptors with every byte of a handshake is let go', async () => {
    const server = await channelServer()
    const before = openDescriptors()
    const file = openSync('/dev/null', 'r')
    const peer = await RawPeer.connect(server.address)
    const hello = encodeControl({
      kind: ControlKind.hello,
      lowest: 1,
      highest: 1,
      features: 1,
      required: 0,
      toServer: 0,
      toClient: 0,
    })
    for (const byte of hello) {
      const sent = peer.connection.send(Buffer.of(byte), { fds: [file, file] })
      if (
        !(await sent.then(
          () => true,
          () => false,
        ))
      )
        break
    }
    expect(await peer.hear()).toBeUndefined()
    await eventually(() => server.stats().rejected.handshake === 1)
    peer.close()
    closeSync(file)
    await noMoreDescriptorsThan(before)
  })

  onUnix.each([
    [1, 'framed'],
    [2, 'framed'],
    [9, 'unknown type 9'],
    [3, 'unknown type 3'],
  ])('that writes a record of type %i ends its channel', async (type, text) => {
    const { channel, toServer } = await withRawPeer()
    const producer = toServer.producer()
    producer.tryWrite(Buffer.from('xy'), type)
    await expect(channel.receive()).rejects.toMatchObject({
      ...corrupt,
      message: expect.stringContaining(text) as string,
    })
  })

  onUnix.each<[string, (peer: RawPeer) => Promise<void>]>([
    ['bytes that are no message', (peer) => peer.connection.send(Buffer.of(0))],
    ['a message of the handshake', (peer) => peer.say({ kind: ControlKind.ready })],
    [
      'descriptors out of their order',
      (peer) => peer.say({ kind: ControlKind.cargo, number: 2, count: 1 }, [0]),
    ],
    [
      'fewer descriptors than it names',
      (peer) => peer.say({ kind: ControlKind.cargo, number: 1, count: 2 }, [0]),
    ],
  ])('that says %s on the control connection ends its channel', async (_, speak) => {
    const { channel, peer } = await withRawPeer()
    await speak(peer)
    if (_.startsWith('bytes')) {
      peer.connection.destroy()
      await expect(channel.receive()).rejects.toMatchObject({ code: 'ERR_SLUICE_PEER_DIED' })
    } else {
      await expect(channel.receive()).rejects.toMatchObject(corrupt)
    }
  })

  onUnix('that sends descriptors and never a record has only so many taken', async () => {
    const { channel, peer } = await withRawPeer()
    const before = resources()
    const receiving = channel.receive()
    receiving.catch(() => undefined)
    for (let number = 1; number <= 100; number++) {
      await peer.say({ kind: ControlKind.cargo, number, count: 1 }, [0])
    }
    await turn()
    const count = ({ descriptors }: Resources) =>
      Object.values(descriptors).reduce((sum, one) => sum + one, 0)
    expect(count(resources()) - count(before)).toBeLessThanOrEqual(18)
    channel.destroy()
    await expect(receiving).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    peer.close()
  })

  onUnix(
    'that names descriptors it never sends is a peer that is silent, until it goes',
    async () => {
      const { channel, peer, toServer } = await withRawPeer()
      const record = Buffer.alloc(5)
      record.writeUInt32LE(1)
      toServer.producer().tryWrite(record, 3)
      const receiving = channel.receive()
      receiving.catch(() => undefined)
      await turn()
      peer.close()
      await expect(receiving).rejects.toMatchObject(corrupt)
    },
  )

  onUnix('that closes the control connection and keeps the rings is gone', async () => {
    const { channel, peer, toServer } = await withRawPeer()
    const producer = toServer.producer()
    producer.tryWrite(Buffer.from('last words'))
    peer.close()
    expect((await receiveFrom(channel)).data.toString()).toBe('last words')
    await expect(channel.receive()).rejects.toMatchObject({ code: 'ERR_SLUICE_PEER_DIED' })
  })

  onUnix('that ends and keeps the control connection has ended', async () => {
    const { channel, toServer } = await withRawPeer()
    const producer = toServer.producer()
    producer.tryWrite(Buffer.from('last words'))
    producer.close()
    expect((await receiveFrom(channel)).data.toString()).toBe('last words')
    expect(await channel.receive()).toBeUndefined()
  })
})

describe('wrong input', () => {
  test('a token, which would have to come before the handshake', () => {
    const listen = () => ChannelServer.listen(channelAddress(), { authorize: token('a secret') })
    expect(listen).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    expect(listen).toThrow('allow()')
  })

  test.each([
    { capacity: 5000 },
    { capacity: 2048 },
    { capacity: 2 ** 31 },
    { capacity: '4096' },
    { required: 1 },
    { handshakeTimeout: 0 },
    { handshakeTimeout: Infinity },
    { spin: -1 },
    { allowHalfOpen: 'yes' },
    { misspelt: true },
    { signal: {} },
  ])('is refused at once: %o', (wrong) => {
    const options = wrong as object
    const address = channelAddress()
    const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => connectChannel(address, options)).toThrow(invalid)
    expect(() => ChannelServer.listen(address, options)).toThrow(invalid)
  })

  test('an address that is none', () => {
    const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    for (const address of ['', 7, undefined] as string[]) {
      expect(() => connectChannel(address)).toThrow(invalid)
      expect(() => ChannelServer.listen(address)).toThrow(invalid)
    }
  })
})
