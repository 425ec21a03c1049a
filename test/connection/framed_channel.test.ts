/** Messages over channels: each is a record of the ring, or several where it is longer. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import { framed, listen, type FramedConnection, type FramedOptions } from '../../lib/index.js'
import { channels, withRawPeer } from '../support/channels.js'
import { Child } from '../support/child.js'
import { all, failureOf, framedSuite, quick } from '../support/framed_suite.js'
import { onWindows, unixOnly } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const onUnix = unixOnly('the handshake is played over a Unix socket')
const corrupt = sluiceError('ERR_SLUICE_CORRUPT')
const tooLong = sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG')
const timedOut = sluiceError('ERR_SLUICE_TIMEOUT')

const type = { bytes: 0, message: 1, part: 2, cargo: 3, beat: 4 }

framedSuite('a channel', () => channels(), !onWindows)

/** A connection of messages, and its peer's ends of the rings. */
async function withRings(options: FramedOptions & { codec?: 'bytes' } = {}) {
  const { channel, peer, toServer, toClient } = await withRawPeer()
  return {
    channel,
    receiver: framed(channel, options),
    peer,
    producer: toServer.producer(),
    consumer: toClient.consumer(),
  }
}

/** The payload of a part behind which so many bytes follow. */
function part(following: number, bytes: number | string): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32LE(following)
  return Buffer.concat([head, typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.alloc(bytes)])
}

/** A ring in which nothing more finds room. */
async function fill(sender: FramedConnection<Buffer, Uint8Array>, length: number): Promise<number> {
  for (let count = 0; ; count++) {
    const failure = await failureOf(sender.send(Buffer.alloc(length, count), { timeout: 10 }))
    if (failure.message === 'it did not fail') continue
    expect(failure).toEqual(timedOut)
    return count
  }
}

describe('the records', () => {
  onUnix('are the messages and nothing else', async () => {
    const { receiver, consumer } = await withRings({ heartbeat: quick })
    await receiver.sendMany(['', 'one', 'two'].map((text) => Buffer.from(text)))
    const seen: [number, string][] = []
    while (seen.length < 4) {
      consumer.drain((message, type) => {
        seen.push([type, message.toString()])
      })
      await turn()
    }
    expect(seen).toEqual([
      [type.beat, ''],
      [type.message, ''],
      [type.message, 'one'],
      [type.message, 'two'],
    ])
  })

  onUnix('of a long message say how much follows', async () => {
    const { receiver, consumer } = await withRings() // whose longest record has 32,752 bytes
    const longest = 65536 / 2 - 16
    const message = Buffer.alloc(2 * longest, 'sluice')
    const sending = receiver.send(message)
    const parts: [number, Buffer][] = []
    while (parts.length < 3) {
      const copy = await consumer.read({ timeout: 30_000 })
      if (copy !== undefined) parts.push([consumer.type, copy])
    }
    await sending
    expect(parts.map(([type, { length }]) => [type, length])).toEqual([
      [type.part, longest],
      [type.part, longest],
      [type.message, 8],
    ])
    expect(parts.slice(0, 2).map(([, bytes]) => bytes.readUInt32LE())).toEqual([longest + 4, 8])
    const bytes = parts.map(([, payload], i) => payload.subarray(i < 2 ? 4 : 0))
    expect(Buffer.concat(bytes).equals(message)).toBe(true)
    await receiver.send(Buffer.alloc(longest))
    expect(await consumer.read({ timeout: 30_000 })).toHaveLength(longest)
    expect(consumer.type).toBe(type.message)
  })

  test('of one send come as one batch, and are counted alike at both ends', async () => {
    const [one, other] = await channels()
    const [sender, receiver] = [framed(one), framed(other)]
    await sender.sendMany(Array.from({ length: 500 }, (_, i) => Buffer.from(String(i))))
    const batch = await receiver.receiveMany()
    expect(batch?.map(String)).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
    expect(other.bytesRead).toBe(one.bytesWritten)
    await sender.sendMany([])
    expect(one.bytesWritten).toBe(other.bytesRead)
  })

  test.each([4096, 65536])('of every length around a ring of %d bytes', async (capacity) => {
    const [one, other] = await channels({ capacity })
    const [sender, receiver] = [framed(one), framed(other)]
    const near = [0, 1, 8, 9, capacity / 2 - 20, capacity / 2 - 16, capacity / 2 - 15]
    const lengths = [...near, capacity, 3 * capacity + 5, ...near, 100, 8 * capacity]
    const messages = lengths.map((length, i) => Buffer.alloc(length, i + 1))
    const sending = sender.sendMany(messages).then(() => sender.closeWrite())
    const got = await all(receiver)
    expect(got.map(({ length }) => length)).toEqual(lengths)
    expect(got.every((message, i) => message.equals(messages[i]))).toBe(true)
    await sending
  })

  onUnix('that are killed in the middle: all before are whole and in order', async () => {
    const longest = 300_000
    const server = closedAfterTest(await listen(`shm:sluice-test-${randomUUID()}`))
    for (const count of [10, 33, 50]) {
      const child = new Child('framed_sender.mjs', [server.address, longest])
      const channel = await server.accept()
      const receiver = closedAfterTest(framed(channel, { maxLength: longest }))
      let number = 0
      const failure = await failureOf(
        (async () => {
          for await (const message of receiver) {
            const expected = Buffer.alloc(4 + ((number * 7919) % (longest - 4)), number)
            expected.writeUInt32BE(number)
            expect(message.equals(expected)).toBe(true)
            if (++number === count) child.kill('SIGKILL')
          }
        })(),
      )
      expect(failure).toEqual(sluiceError('ERR_SLUICE_PEER_DIED'))
      expect(number).toBeGreaterThanOrEqual(count)
    }
  })
})

describe('a peer that breaks the rules', () => {
  const bad: [string, [number, Buffer][], Error, string?][] = [
    ['a message that is too long', [[type.message, Buffer.alloc(101)]], tooLong],
    ['parts that are too long together', [[type.part, part(100, 1)]], tooLong],
    [
      'parts that never end',
      [
        [type.part, part(99, 1)],
        [type.part, part(99, 1)],
      ],
      corrupt,
    ],
    [
      'a part of more than is lacking',
      [
        [type.part, part(2, 1)],
        [type.part, part(2 ** 32 - 1, 3)],
      ],
      corrupt,
    ],
    ['an empty part', [[type.part, part(10, 0)]], corrupt],
    ['a part without its number', [[type.part, Buffer.alloc(3)]], corrupt],
    ['a part behind which nothing follows', [[type.part, part(0, 1)]], corrupt],
    [
      'a last part that is too short',
      [
        [type.part, part(2, 1)],
        [type.message, Buffer.alloc(1)],
      ],
      corrupt,
    ],
    [
      'an empty last part',
      [
        [type.part, part(2, 1)],
        [type.message, Buffer.alloc(0)],
      ],
      corrupt,
    ],
    ['bytes of a stream', [[type.bytes, Buffer.from('plain')]], corrupt, 'framed()'],
    ['bytes with descriptors', [[type.cargo, part(1, 1)]], corrupt, 'framed()'],
    ['a heartbeat, alone', [[type.beat, Buffer.alloc(0)]], corrupt, 'options.heartbeat'],
    ['a heartbeat with bytes', [[type.beat, Buffer.alloc(1)]], corrupt],
    ['an unknown type', [[9, Buffer.alloc(1)]], corrupt, 'unknown type 9'],
    [
      'descriptors in the middle of a message',
      [
        [type.part, part(2, 1)],
        [type.cargo, part(1, 0)],
      ],
      corrupt,
    ],
  ]

  onUnix.each(bad)('%s ends the connection', async (_, records, error, text = '') => {
    const { channel, receiver, producer } = await withRings({ maxLength: 100 })
    producer.tryWrite(Buffer.from('good'), type.message)
    producer.tryWrite(part(50, 50), type.part)
    producer.tryWrite(Buffer.alloc(50), type.message)
    for (const [type, bytes] of records) producer.tryWrite(bytes, type)
    producer.tryWrite(Buffer.from('never'), type.message)
    expect(String(await receiver.receive())).toBe('good')
    expect(await receiver.receive()).toHaveLength(100)
    await expect(receiver.receive()).rejects.toThrow(error)
    const failure = await receiver.whenClosed
    expect(failure).toEqual(error)
    expect(String(failure)).toContain(text)
    expect(channel.destroyed).toBe(true)
  })

  onUnix('has nothing allocated by its word', async () => {
    const before = process.memoryUsage().arrayBuffers
    const receives: Promise<Error>[] = []
    for (let i = 0; i < 10; i++) {
      const { receiver, producer } = await withRings({ maxLength: 2 ** 30 })
      producer.tryWrite(part(2 ** 29, 1), type.part)
      receives.push(failureOf(receiver.receive()))
      onTestFinished(() => {
        receiver.close()
      })
    }
    for (let i = 0; i < 10; i++) await turn()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24)
  })

  onUnix('sends heartbeats and nothing else without an end: others have their turn', async () => {
    const { receiver, producer } = await withRings({ heartbeat: quick })
    const receiving = failureOf(receiver.receive())
    for (let i = 0; i < 50; i++) {
      while (producer.tryWrite(Buffer.alloc(0), type.beat));
      await turn()
    }
    receiver.close()
    expect(await receiving).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  onUnix.each([
    ['ends', 'ERR_SLUICE_MESSAGE_TRUNCATED', { missing: 7 }],
    ['dies', 'ERR_SLUICE_PEER_DIED', {}],
  ] as const)('that %s in the middle of a message', async (how, code, more) => {
    const { receiver, peer, producer } = await withRings()
    producer.tryWrite(Buffer.from('whole'), type.message)
    producer.tryWrite(part(8, 2), type.part)
    producer.tryWrite(part(7, 1), type.part)
    if (how === 'ends') producer.close()
    peer.close()
    expect(String(await receiver.receive())).toBe('whole')
    await expect(receiver.receive()).rejects.toThrow(sluiceError(code, more))
    expect(await receiver.whenClosed).toEqual(sluiceError(code, more))
  })

  onUnix('that ends between descriptors and their message has truncated it', async () => {
    const { receiver, peer, producer } = await withRings()
    await peer.say({ kind: 7, number: 1, count: 1 }, [0])
    producer.tryWrite(part(1, 0), type.cargo)
    producer.close()
    const receiving = failureOf(receiver.receive())
    expect(await receiving).toEqual(sluiceError('ERR_SLUICE_MESSAGE_TRUNCATED'))
  })

  test('uses the stream where the other end uses framed, and is told so', async () => {
    const [one, other] = await channels()
    const receiver = framed(other)
    await one.send(Buffer.from('plain'))
    await expect(receiver.receive()).rejects.toThrow(corrupt)
    const [third, fourth] = await channels()
    await framed(third).send(Buffer.from('a message'))
    await expect(fourth.receive()).rejects.toThrow(/framed\(\)/)
  })

  test('had written bytes before framed was called', async () => {
    const [one, other] = await channels()
    const receiving = new AbortController()
    const cancelled = failureOf(other.receive({ signal: receiving.signal }))
    await one.send(Buffer.from('plain'))
    const kept = once(other, 'readable')
    other.read(0)
    await kept
    receiving.abort(new Error('enough'))
    await cancelled
    await expect(framed(other).receive()).rejects.toThrow(corrupt)
  })
})

test('bytes may come before, as those of a handshake do', async () => {
  const [one, other] = await channels()
  await one.send(Buffer.from('let me in'))
  const sender = framed(one)
  await sender.send(Buffer.from('hello'))
  expect(String((await other.receive())?.data)).toBe('let me in')
  const receiver = framed(other)
  expect(String(await receiver.receive())).toBe('hello')
  await receiver.send(Buffer.from('welcome'))
  expect(String(await sender.receive())).toBe('welcome')
})

describe('a send', () => {
  test('that is cancelled before it has room leaves nothing behind', async () => {
    const [one, other] = await channels({ capacity: 4096 })
    const [sender, receiver] = [framed(one), framed(other)]
    const count = await fill(sender, 1000)
    const controller = new AbortController()
    const { signal } = controller
    const both = [sender.send(Buffer.alloc(1000, 'no'), { signal }), sender.send(Buffer.alloc(900))]
    controller.abort(new Error('enough'))
    await expect(both[0]).rejects.toThrow('enough')
    for (let i = 0; i < count; i++) {
      expect((await receiver.receive())?.equals(Buffer.alloc(1000, i))).toBe(true)
    }
    expect(await receiver.receive()).toHaveLength(900)
    await both[1]
    expect(sender.closed).toBe(false)
  })

  test.each([
    ['in the middle of a message', [Buffer.alloc(100_000)]],
    ['between its messages', Array.from({ length: 100 }, () => Buffer.alloc(1000))],
  ])('that is cancelled %s ends the connection', async (_, messages) => {
    const [one, other] = await channels({ capacity: 4096 })
    const [sender, receiver] = [framed(one), framed(other)]
    await expect(sender.sendMany(messages, { timeout: 20 })).rejects.toThrow(timedOut)
    const closed = sluiceError('ERR_SLUICE_CLOSED')
    expect(await sender.whenClosed).toEqual(closed)
    await expect(sender.send(Buffer.from('x'))).rejects.toThrow(closed)
    const received = all(receiver)
    if (messages.length === 1) {
      await expect(received).rejects.toThrow(sluiceError('ERR_SLUICE_MESSAGE_TRUNCATED'))
    } else {
      const { length } = await received
      expect(length).toBeGreaterThan(0)
      expect(length).toBeLessThan(messages.length)
    }
  })

  test('of bytes that are transferred away while it waits fails, and the next goes', async () => {
    const [one, other] = await channels({ capacity: 4096 })
    const [sender, receiver] = [framed(one), framed(other)]
    const count = await fill(sender, 1000)
    const bytes = new Uint8Array(1000)
    const lost = failureOf(sender.send(bytes))
    const next = sender.send(Buffer.from('next'))
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    for (let i = 0; i < count; i++) expect(await receiver.receive()).toHaveLength(1000)
    expect(String(await receiver.receive())).toBe('next')
    await next
    expect(await lost).toEqual(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  })

  test('of too many that wait is refused', async () => {
    const [one] = await channels({ capacity: 4096 })
    const sender = framed(one)
    await fill(sender, 1000)
    const waiting = Array.from({ length: 1024 }, () => failureOf(sender.send(Buffer.alloc(1000))))
    await expect(sender.send(Buffer.alloc(1000))).rejects.toThrow(
      sluiceError('ERR_SLUICE_QUEUE_FULL'),
    )
    sender.close()
    const failures = await Promise.all(waiting)
    expect(failures.every(({ message }) => message === 'the connection is closed')).toBe(true)
  })

  test('to a peer that has closed fails as on a socket', async () => {
    const [one, other] = await channels()
    const sender = framed(one)
    other.destroy()
    const failure = await failureOf(
      (async () => {
        for (;;) await sender.send(Buffer.alloc(1000))
      })(),
    )
    expect(['EPIPE', 'ERR_SLUICE_CLOSED']).toContain((failure as Error & { code: string }).code)
  })

  test('is before the end of the stream that is asked for behind it', async () => {
    const [one, other] = await channels({ capacity: 4096 })
    const [sender, receiver] = [framed(one), framed(other)]
    const sends = [5000, 20_000, 3].map((length) => sender.send(Buffer.alloc(length)))
    const ended = sender.closeWrite()
    await expect(sender.send(Buffer.from('late'))).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect((await all(receiver)).map(({ length }) => length)).toEqual([5000, 20_000, 3])
    await Promise.all([...sends, ended])
  })
})

test('what came before the end can be answered', async () => {
  const [one, other] = await channels()
  const [asking, answering] = [framed(one), framed(other)]
  await asking.sendMany([Buffer.from('first'), Buffer.from('second')])
  await asking.closeWrite()
  for (const text of ['first', 'second']) {
    expect(String(await answering.receive())).toBe(text)
    for (let i = 0; i < 20; i++) await turn()
    await answering.send(Buffer.from(`to ${text}`))
    expect(String(await asking.receive())).toBe(`to ${text}`)
  }
  expect(await answering.receive()).toBeUndefined()
})

test('messages are no idleness', async () => {
  const [one, other] = await channels()
  let timeouts = 0
  const [sender, receiver] = [framed(one), framed(other)]
  for (const end of [one, other]) end.setTimeout(400, () => timeouts++)
  const end = performance.now() + 1000
  while (performance.now() < end) {
    await sender.send(Buffer.alloc(0))
    expect(await receiver.receive()).toHaveLength(0)
  }
  expect(timeouts).toBe(0)
})

describe('descriptors', () => {
  onUnix('come with empty messages, long ones, and the first of many', async () => {
    const [one, other] = await channels({ capacity: 4096 })
    const [sender, receiver] = [framed(one), framed(other)]
    const fd = openSync('/dev/null', 'r')
    onTestFinished(() => {
      closeSync(fd)
    })
    const sends = [
      sender.send(Buffer.alloc(0), { fds: [fd] }),
      sender.send(Buffer.alloc(10_000), { fds: [fd, fd] }),
      sender.sendMany([Buffer.of(1), Buffer.of(2)], { fds: [fd] }),
      sender.send(Buffer.of(3)),
    ]
    const got: [number, number][] = []
    for (let i = 0; i < 5; i++) {
      const received = await receiver.receiveWithFds({ timeout: 30_000 })
      got.push([received?.message.length ?? -1, received?.fds.length ?? -1])
      for (const one of received?.fds ?? []) one.close()
    }
    await Promise.all(sends)
    expect(got).toEqual([
      [0, 1],
      [10_000, 2],
      [1, 1],
      [1, 0],
      [1, 0],
    ])
  })

  onUnix('need a message to travel with', async () => {
    const [one] = await channels()
    expect(() => framed(one).sendMany([], { fds: [0] })).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
  })

  onUnix('of messages that wait are closed with the connection', async () => {
    const [one] = await channels({ capacity: 4096 })
    const sender = framed(one)
    const waiting = Array.from({ length: 30 }, () =>
      failureOf(sender.send(Buffer.alloc(1000), { fds: [0] })),
    )
    await turn()
    sender.close()
    await Promise.all(waiting)
    await sender.whenClosed
  })
})
