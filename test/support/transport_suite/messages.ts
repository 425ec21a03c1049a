/** `send` and `receive`. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'

import { sluiceError } from '../rings.js'
import { eventually } from '../resources.js'
import {
  collected,
  fill,
  randomNumbers,
  received,
  receivedBytes,
  receivedToEnd,
  type Workbench,
} from './workbench.js'

export function messages(bench: Workbench): void {
  const { keepsBoundaries, largestWrite } = bench.transport

  describe('send and receive', () => {
    test('carry bytes both ways', async () => {
      const [one, other] = await bench.pair()
      await other.send(Buffer.from('ping'))
      expect(await received(one)).toBe('ping')
      await one.send(Buffer.from('pong'))
      expect(await received(other)).toBe('pong')
      expect([one.bytesRead, one.bytesWritten]).toEqual([4, 4])
      expect([other.bytesRead, other.bytesWritten]).toEqual([4, 4])
    })

    test('a receive that waits gets what is sent later', async () => {
      const [one, other] = await bench.pair()
      const waiting = received(other)
      await one.send(Buffer.from('later'))
      expect(await waiting).toBe('later')
    })

    test('receives that wait are served in their order', async () => {
      const [one, other] = await bench.pair()
      const order: number[] = []
      const receives = [0, 1, 2].map(async (i) => {
        const message = await received(other)
        order.push(i)
        return message
      })
      for (let i = 0; i < 3; i++) {
        await one.send(Buffer.from(String(i)))
        // Not two at once, which a stream may bring in one piece.
        expect(await receives[i]).toBe(String(i))
      }
      expect(order).toEqual([0, 1, 2])
    })

    test('a large send arrives whole', async () => {
      const [one, other] = await bench.pair()
      const data = randomBytes(Math.min(2 ** 22, largestWrite))
      const sending = one.send(data)
      expect((await receivedBytes(other, data.length)).equals(data)).toBe(true)
      await sending
      expect(one.bytesWritten).toBe(data.length)
    })

    test('sends that wait resolve in their order, and arrive in it', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      const order: number[] = []
      const sends = [0, 1, 2, 3].map(async (i) => {
        await one.send(Buffer.from(String(i)))
        order.push(i)
      })
      expect((await receivedBytes(other, filled + 4)).subarray(filled).toString()).toBe('0123')
      await Promise.all(sends)
      expect(order).toEqual([0, 1, 2, 3])
    })

    test('backpressure: a send waits while the peer does not receive', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      let sent = false
      const send = one.send(Buffer.from('after')).then(() => (sent = true))
      expect(sent).toBe(false)
      const all = await receivedBytes(other, filled + 5)
      expect(all.subarray(filled).toString()).toBe('after')
      await send
    })

    test('writes and sends that nobody waits for keep their order', async () => {
      const [one, other] = await bench.pair()
      const random = randomNumbers(1)
      const expected: string[] = []
      const sends: Promise<void>[] = []
      for (let i = 0; i < 500; i++) {
        const message = `<${String(i)}>`
        expected.push(message)
        if (random(2) === 0) one.write(message)
        else sends.push(one.send(Buffer.from(message)))
      }
      one.end()
      const got = await receivedToEnd(other)
      await Promise.all(sends)
      if (keepsBoundaries) expect(got.map(String)).toEqual(expected)
      else expect(Buffer.concat(got).toString()).toBe(expected.join(''))
    })

    test('a send after a write comes after it, also when both wait', async () => {
      const [one, other] = await bench.pair()
      await fill(one)
      const first = one.send(Buffer.from('1'))
      const cancelled = one.send(Buffer.from('never'), { timeout: 0 })
      one.write('2')
      const last = one.send(Buffer.from('3'))
      await expect(cancelled).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
      one.end('4')
      let all = ''
      for await (const chunk of other) all += String(chunk).replaceAll('\0', '')
      expect(all).toBe('1234')
      await Promise.all([first, last])
    })

    test('a send in the middle of corked writes stays there', async () => {
      const [one, other] = await bench.pair()
      one.cork()
      one.write('a')
      const sent = one.send(Buffer.from('b'))
      one.write('c')
      one.uncork()
      one.end()
      expect(await collected(other)).toBe('abc')
      await sent
    })

    test('what is sent before end arrives before the end', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      const sends = Promise.all(['x', 'y'].map((letter) => one.send(Buffer.from(letter))))
      one.end('z')
      const all = Buffer.concat(await receivedToEnd(other))
      expect(all.subarray(filled).toString()).toBe('xyz')
      await sends
    })

    test('after receive the rest can be read as a stream', async () => {
      const [one, other] = await bench.pair()
      await one.send(Buffer.from('head'))
      expect(await received(other)).toBe('head')
      one.end('body')
      expect(await collected(other)).toBe('body')
    })

    test('bytes that were received stay as they are while others come', async () => {
      const [one, other] = await bench.pair()
      const kept: Buffer[] = []
      for (let i = 0; i < 1000; i++) {
        await one.send(Buffer.from(String(i).padStart(4, '0')))
        kept.push(await receivedBytes(other, 4))
      }
      expect(kept.map(Number)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    })

    test('what was read is not lost to somebody who transfers the memory of another', async () => {
      const [one, oneOther] = await bench.pair()
      const [two, twoOther] = await bench.pair()
      two.write('kept')
      twoOther.read(0)
      await eventually(() => twoOther.bytesRead === 4)
      one.write('mine')
      const [chunk] = (await once(oneOther, 'data')) as [Buffer]
      const { port1, port2 } = new MessageChannel()
      try {
        port1.postMessage(chunk.buffer, [chunk.buffer as ArrayBuffer])
      } catch {
        // It may be forbidden, as for Buffers of Node's own pool.
      }
      port1.close()
      port2.close()
      expect(String(twoOther.read())).toBe('kept')
    })
  })

  if (!keepsBoundaries) return

  describe('boundaries', () => {
    test('each send is one message, each receive gives one', async () => {
      const [one, other] = await bench.pair()
      const sent = Array.from({ length: 300 }, (_, i) => `${String(i)}${'x'.repeat(i)}`)
      const sending = Promise.all(sent.map((message) => one.send(Buffer.from(message))))
      for (const message of sent) expect(await received(other)).toBe(message)
      await sending
    })

    test('are kept for messages of any length', async () => {
      const [one, other] = await bench.pair()
      const random = randomNumbers(2)
      const sent = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1 + random(50_000), i))
      const sending = (async () => {
        for (const message of sent) await one.send(message)
      })()
      for (const message of sent) {
        expect((await other.receive())?.data.equals(message)).toBe(true)
      }
      await sending
    })

    test('a message of the longest that is sent arrives as one', async () => {
      const [one, other] = await bench.pair()
      const longest = bench.bytes(1_000_000)
      const sending = one.send(longest)
      expect((await other.receive())?.data.equals(longest)).toBe(true)
      await sending
    })

    test('1,024 receives that wait get one message each, in order', async () => {
      const [one, other] = await bench.pair()
      const receives = Array.from({ length: 1024 }, () => received(other))
      for (let i = 0; i < 1024; i++) await one.send(Buffer.from(String(i)))
      expect(await Promise.all(receives)).toEqual(Array.from({ length: 1024 }, (_, i) => String(i)))
    })

    test('a message that is longer than the receiver takes is an error, not a silent cut', async () => {
      const [one, other] = await bench.pair({ maxMessageLength: 100 })
      await one.send(Buffer.alloc(100))
      expect((await other.receive())?.data).toHaveLength(100)
      const sent = one.send(Buffer.alloc(101)).catch(() => undefined)
      await expect(other.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
      expect(other.destroyed).toBe(true)
      await sent
    })

    test('so is one that is longer than the buffers', async () => {
      const [one, other] = await bench.pair({ maxMessageLength: 10_000 })
      const sent = one.send(Buffer.alloc(100_000)).catch(() => undefined)
      await expect(other.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
      await sent
    })
  })
}
