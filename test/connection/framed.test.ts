/** Messages over streams of bytes. */
import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
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
} from '../../lib/index.js'
import { all, failureOf, framedSuite } from '../support/framed_suite.js'
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

function socketEnds(): Promise<[Connection, Connection]> {
  const ends = socketPair('stream')
  for (const end of ends) closedAfterTest(end)
  return Promise.resolve(ends)
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

framedSuite('tcp:', pair, false)
if (!onWindows) framedSuite('a socket pair', socketEnds, true)

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
})

describe('receiving', () => {
  test('a loop that stops early leaves the rest', async () => {
    const connection = framed(source(['a', 'b', 'c'].map((text) => frame(Buffer.from(text)))))
    for await (const message of connection) if (String(message) === 'a') break
    expect((await all(connection)).map(String)).toEqual(['b', 'c'])
  })
})

describe('codecs', () => {
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
