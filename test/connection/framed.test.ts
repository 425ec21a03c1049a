/** Messages over streams of bytes. */
import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { serialize } from 'node:v8'
import { describe, expect, onTestFinished, test } from 'vitest'

import {
  connect,
  framed,
  listen,
  socketPair,
  type Connection,
  type FramedOptions,
  type MessageConnection,
  type UnixConnection,
} from '../../lib/index.js'
import { onWindows } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
const tooLong = sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG')

/** Two ends of a connection. */
async function pair(): Promise<[Connection, Connection]> {
  const server = await listen('tcp:127.0.0.1:0')
  const ends = await Promise.all([connect(server.address), server.accept()])
  server.close()
  for (const end of ends) closedAfterTest(end)
  return ends
}

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

function frame(payload: Uint8Array): Buffer {
  return Buffer.concat([header(payload.byteLength), payload])
}

/** A stream that gives these chunks, each by itself, and then ends. */
function source(chunks: readonly Uint8Array[], ends = true): Duplex {
  const left = [...chunks]
  const stream = new Duplex({
    read() {
      const next = left.shift()
      if (next !== undefined) this.push(next)
      else if (ends) this.push(null)
    },
    write(_chunk, _encoding, callback) {
      callback()
    },
  })
  onTestFinished(() => {
    stream.destroy()
  })
  return stream
}

/** Two streams with little room, each of which gives what the other is written. */
function streamPair(): [Duplex, Duplex] {
  const waiting = new Map<Duplex, () => void>()
  const end = (other: () => Duplex): Duplex =>
    new Duplex({
      highWaterMark: 16,
      read() {
        waiting.get(this)?.()
      },
      write(chunk, _encoding, callback) {
        if (other().push(chunk)) callback()
        else waiting.set(other(), callback)
      },
      final(callback) {
        other().push(null)
        callback()
      },
    })
  const one: Duplex = end(() => two)
  const two: Duplex = end(() => one)
  onTestFinished(() => {
    one.destroy()
    two.destroy()
  })
  return [one, two]
}

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const message of messages) list.push(message)
  return list
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return (await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )) as Error
}

describe('bytes in any pieces', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })

  test('are the messages that were sent, at every split', async () => {
    await fc.assert(
      fc.asyncProperty(payloads, fc.array(fc.nat(400), { maxLength: 12 }), async (list, cuts) => {
        const bytes = Buffer.concat(list.map(frame))
        const ends = [...new Set([...cuts.filter((cut) => cut < bytes.length), bytes.length])]
        ends.sort((a, b) => a - b)
        const chunks = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
        const got = await all(framed(source(chunks.filter(({ length }) => length > 0))))
        expect(got.map((message) => message.toString('hex'))).toEqual(
          list.map((payload) => Buffer.from(payload).toString('hex')),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('each byte alone', async () => {
    const list = [Buffer.from('one'), Buffer.alloc(0), Buffer.from('three'), randomBytes(300)]
    const bytes = Buffer.concat(list.map(frame))
    const chunks = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1))
    expect(await all(framed(source(chunks)))).toEqual(list)
  })

  test('two messages in one read are two, and many are one batch, uncopied', async () => {
    const chunk = Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('bc')), header(3)])
    const connection = framed(source([chunk, Buffer.from('def')]))
    const batch = await connection.receiveMany()
    expect(batch?.map(String)).toEqual(['a', 'bc'])
    expect(batch?.map(({ buffer }) => buffer === chunk.buffer)).toEqual([true, true])
    expect((await connection.receiveMany())?.map(String)).toEqual(['def'])
    expect(await connection.receiveMany()).toBeUndefined()
  })

  test('every length from 0 to the longest', async () => {
    const [one, other] = await pair()
    const options = { maxLength: 300 }
    const sender = framed(one, options)
    const receiver = framed(other, options)
    const sending = (async () => {
      for (let length = 0; length <= 300; length++) await sender.send(Buffer.alloc(length, length))
      await sender.closeWrite()
    })()
    let length = 0
    for await (const message of receiver) {
      expect(message.equals(Buffer.alloc(length, length))).toBe(true)
      length++
    }
    expect(length).toBe(301)
    await sending
  })

  test('long ones, both ways at once', async () => {
    const ends = (await pair()).map((end) => framed(end))
    const sent = randomBytes(2 ** 20)
    await Promise.all(
      ends.map(async (end) => {
        const sending = Promise.all([end.send(sent), end.sendMany([sent, Buffer.alloc(0), sent])])
        const got: Buffer[] = []
        while (got.length < 4) got.push((await end.receive()) ?? Buffer.from('the end'))
        expect(got.map((message) => message.equals(sent))).toEqual([true, true, false, true])
        await sending
      }),
    )
  })

  test('messages of one byte at a high rate', async () => {
    const [one, other] = await pair()
    const [sender, receiver] = [framed(one), framed(other)]
    const count = 100_000
    const batch = Array.from({ length: 1000 }, () => Buffer.from('x'))
    const sending = (async () => {
      for (let i = 0; i < count / batch.length; i++) await sender.sendMany(batch)
      await sender.closeWrite()
    })()
    let received = 0
    for (let messages; (messages = await receiver.receiveMany()) !== undefined;) {
      received += messages.length
    }
    expect(received).toBe(count)
    await sending
  })
})

describe('a hostile or broken peer', () => {
  test.each([101, 2 ** 31, 2 ** 32 - 1])('a length of %d ends the connection', async (length) => {
    const [one, other] = await pair()
    const receiver = framed(other, { maxLength: 100 })
    one.on('error', () => undefined)
    one.write(Buffer.concat([frame(Buffer.from('good')), frame(Buffer.alloc(100)), header(length)]))
    expect(String(await receiver.receive())).toBe('good')
    expect(await receiver.receive()).toHaveLength(100)
    await expect(receiver.receive()).rejects.toThrow(tooLong)
    await expect(receiver.receive()).rejects.toThrow(tooLong)
    expect(await receiver.whenClosed).toEqual(tooLong)
    expect(receiver.closed).toBe(true)
    expect(other.destroyed).toBe(true)
  })

  test('nothing is allocated by its word', async () => {
    const receivers = Array.from({ length: 200 }, () =>
      framed(source([header(2 ** 29), Buffer.from('x')], false), { maxLength: 2 ** 30 }),
    )
    const before = process.memoryUsage().arrayBuffers
    const receives = receivers.map((receiver) => failureOf(receiver.receive()))
    for (let i = 0; i < 10; i++) await turn()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26)
    for (const receiver of receivers) receiver.close()
    await Promise.all(receives)
  })

  const message = frame(Buffer.from('hello'))
  test.each([
    [1, 3],
    [3, 1],
    [4, 5],
    [8, 1],
  ])('an end after %d bytes tells that %d are missing', async (length, missing) => {
    const [one, other] = await pair()
    const receiver = framed(other)
    one.end(Buffer.concat([message, message.subarray(0, length)]))
    expect(String(await receiver.receive())).toBe('hello')
    const truncated = sluiceError('ERR_SLUICE_MESSAGE_TRUNCATED', { missing })
    await expect(receiver.receive()).rejects.toThrow(truncated)
    expect(await receiver.whenClosed).toEqual(truncated)
  })

  test('a batch is told before the failure that follows it', async () => {
    const receiver = framed(source([Buffer.concat([message, message, header(7)])]))
    expect(await receiver.receiveMany()).toHaveLength(2)
    await expect(receiver.receiveMany()).rejects.toThrow(
      sluiceError('ERR_SLUICE_MESSAGE_TRUNCATED', { missing: 7 }),
    )
  })

  test('a death is told after the messages that came before it', async () => {
    const [one, other] = await pair()
    const receiver = framed(other)
    await framed(one).sendMany([Buffer.from('last'), Buffer.from('words')])
    one.destroy()
    expect((await all(receiver)).map(String)).toEqual(['last', 'words'])
  })
})

describe('sending', () => {
  test('a message that is too long sends nothing', async () => {
    const [one, other] = await pair()
    const sender = framed(one, { maxLength: 10 })
    await expect(sender.send(Buffer.alloc(11))).rejects.toThrow(tooLong)
    await expect(sender.sendMany([Buffer.from('x'), Buffer.alloc(11)])).rejects.toThrow(tooLong)
    await sender.send(Buffer.alloc(10))
    expect(await framed(other).receive()).toHaveLength(10)
  })

  test('to a peer that never reads: its time is up, and the connection is over', async () => {
    const [one] = await pair()
    const sender = framed(one, { maxLength: 2 ** 25 })
    const failure = await failureOf(sender.send(Buffer.alloc(2 ** 25), { timeout: 50 }))
    expect(failure).toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
    expect(await sender.whenClosed).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
    await expect(sender.send(Buffer.from('x'))).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(one.writableLength).toBe(0)
  })

  test('a reader that does not receive holds the sender back', async () => {
    const [one, other] = await pair()
    const [sender, receiver] = [framed(one), framed(other)]
    await sender.send(Buffer.from('first'))
    expect(String(await receiver.receive())).toBe('first')
    let sent = 0
    const payload = Buffer.alloc(65536)
    const sending = (async () => {
      for (; sent < 1000; sent++) await sender.send(payload)
    })()
    for (let i = 0; i < 300; i++) await turn()
    expect(sent).toBeLessThan(300)
    expect(other.bytesRead).toBeLessThan(2 ** 18)
    for (let i = 0; i < 1000; i++) expect(await receiver.receive()).toHaveLength(65536)
    await sending
  })

  test.each([
    ['an unknown option', { misspelt: 1 }],
    ['a negative time', { timeout: -1 }],
  ])('%s is refused', async (_, options) => {
    const [one] = await pair()
    const given = options as { timeout?: number }
    expect(() => framed(one).send(Buffer.from('x'), given)).toThrow(wrong)
    expect(() => framed(one).receive(given)).toThrow(wrong)
  })
})

describe('receiving', () => {
  test('one that is cancelled loses nothing', async () => {
    const [one, other] = await pair()
    const [sender, receiver] = [framed(one), framed(other)]
    const controller = new AbortController()
    const cancelled = receiver.receive({ signal: controller.signal })
    const late = receiver.receive({ timeout: 5 })
    const next = receiver.receive()
    controller.abort(new Error('enough'))
    await expect(cancelled).rejects.toThrow('enough')
    await expect(late).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
    await sender.send(Buffer.from('kept'))
    expect(String(await next)).toBe('kept')
  })

  test('close() ends it, and is idempotent', async () => {
    const [one] = await pair()
    const receiver: MessageConnection = framed(one)
    const receiving = failureOf(receiver.receive())
    receiver.close()
    receiver.close()
    expect(await receiving).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
    expect(await receiver.whenClosed).toBeUndefined()
    await expect(receiver.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('a loop that stops early leaves the rest', async () => {
    const connection = framed(source(['a', 'b', 'c'].map((text) => frame(Buffer.from(text)))))
    for await (const message of connection) if (String(message) === 'a') break
    expect((await all(connection)).map(String)).toEqual(['b', 'c'])
  })
})

describe('codecs', () => {
  const value = { date: new Date(0), map: new Map([[1, 'one']]), bytes: new Uint8Array([1, 2]) }

  test('json and clone bring values, and others of the user', async () => {
    for (const [options, sent, expected] of [
      [{ codec: 'json' }, { a: ['ü', null, 1.5] }, { a: ['ü', null, 1.5] }],
      [{ codec: 'clone' }, value, value],
      [
        {
          codec: {
            encode: (text: unknown) => Buffer.from(String(text)),
            decode: (bytes: Buffer) => bytes.toString().toUpperCase(),
          },
        },
        'loud',
        'LOUD',
      ],
    ] as [FramedOptions & { codec: 'json' }, unknown, unknown][]) {
      const [one, other] = await pair()
      const sender = framed(one, options)
      await sender.send(sent)
      await sender.sendMany([sent, sent])
      await sender.closeWrite()
      expect(await all(framed(other, options))).toEqual([expected, expected, expected])
    }
  })

  test('a message that cannot be decoded is told, and the next one comes', async () => {
    const bytes = ['{', '{"a":1}', '"\xff"'].map((text) => frame(Buffer.from(text, 'latin1')))
    const receiver = framed(source([Buffer.concat([...bytes, frame(Buffer.from('2'))])]), {
      codec: 'json',
    })
    const invalid = sluiceError('ERR_SLUICE_MESSAGE_INVALID')
    await expect(receiver.receive()).rejects.toThrow(invalid)
    expect(await receiver.receiveMany()).toEqual([{ a: 1 }])
    await expect(receiver.receiveMany()).rejects.toThrow(invalid)
    expect(await receiver.receive()).toBe(2)
    const clones = framed(source([frame(serialize(1).subarray(0, 2))]), { codec: 'clone' })
    await expect(clones.receive()).rejects.toThrow(invalid)
  })

  test.each([
    ['bytes', 'text'],
    ['json', undefined],
    ['json', 1n],
    ['clone', () => undefined],
  ])('%s cannot encode %s', async (codec, message) => {
    const [one] = await pair()
    expect(() => framed(one, { codec: codec as 'json' }).send(message)).toThrow(wrong)
  })

  test.each([
    [{ codec: 'xml' }],
    [{ codec: { encode: () => Buffer.alloc(0) } }],
    [{ maxLength: 0 }],
    [{ maxLength: 2 ** 31 }],
    [{ heartbeat: { interval: 0 } }],
    [{ heartbeat: { every: 1 } }],
    [{ misspelt: 1 }],
  ])('framed refuses %o', (options) => {
    expect(() => framed(source([]), options as FramedOptions & { codec: 'json' })).toThrow(wrong)
  })

  test('framed refuses what is no stream', () => {
    for (const value of [null, {}, 'x']) expect(() => framed(value as never)).toThrow(wrong)
  })
})

test('any Duplex will do, and its sends wait and are cancelled as others', async () => {
  const [one, other] = streamPair()
  const [sender, receiver] = [framed(one), framed(other)]
  const first = sender.send(Buffer.alloc(100))
  const controller = new AbortController()
  const second = sender.send(Buffer.from('never'), { signal: controller.signal })
  const third = sender.send(Buffer.from('third'))
  controller.abort(new Error('enough'))
  await expect(second).rejects.toThrow('enough')
  const ended = sender.closeWrite()
  expect(await receiver.receive()).toHaveLength(100)
  expect(String(await receiver.receive())).toBe('third')
  expect(await receiver.receive()).toBeUndefined()
  await Promise.all([first, third, ended])
  const stuck = failureOf(receiver.send(Buffer.alloc(100), { timeout: 5 }))
  expect(await stuck).toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
  expect(await receiver.whenClosed).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  one.destroy()
})

describe.skipIf(onWindows)('descriptors', () => {
  function ends(): [UnixConnection, UnixConnection] {
    const both = socketPair('stream')
    for (const end of both) closedAfterTest(end)
    return both
  }

  test('come with the message that they were sent with', async () => {
    const [sender, receiver] = ends().map((end) => framed(end)) as [
      ReturnType<typeof framed>,
      ReturnType<typeof framed>,
    ]
    const fd = openSync('/dev/null', 'r')
    onTestFinished(() => {
      closeSync(fd)
    })
    const { ino } = fstatSync(fd)
    await sender.send(Buffer.from('none'))
    await sender.send(Buffer.from('one'), { fds: [fd] })
    await sender.send(Buffer.from('none'))
    await sender.send(Buffer.from('two'), { fds: [fd, fd] })
    await sender.send(Buffer.from('dropped'), { fds: [fd] })
    await sender.send(Buffer.from('none'))
    const got: [string, number][] = []
    for (let i = 0; i < 4; i++) {
      const { message, fds } = (await receiver.receiveWithFds()) ?? { message: '', fds: [] }
      got.push([String(message), fds.length])
      for (const one of fds) {
        expect(fstatSync(one.number).ino).toBe(ino)
        one.close()
      }
    }
    expect(got).toEqual([
      ['none', 0],
      ['one', 1],
      ['none', 0],
      ['two', 2],
    ])
    expect(String(await receiver.receive())).toBe('dropped') // and closed: each test counts
    expect((await receiver.receiveWithFds())?.fds).toEqual([])
  })

  test('that nobody has taken are closed with the connection', async () => {
    const [one, other] = ends()
    const [sender, receiver] = [framed(one), framed(other)]
    const fd = openSync('/dev/null', 'r')
    for (let i = 0; i < 3; i++) await sender.send(Buffer.alloc(3), { fds: [fd] })
    closeSync(fd)
    expect(await receiver.receive()).toHaveLength(3)
    const closed = once(other, 'close')
    receiver.close()
    await closed
  })
})
