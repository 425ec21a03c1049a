/** Cancelling what waits: by a signal, by a time; before it, in the middle, at random moments. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { sluiceError } from '../rings.js'
import {
  abortError,
  abortSoon,
  closeOf,
  fill,
  randomNumbers,
  received,
  receivedBytes,
  receivedToEnd,
  testIf,
  type Workbench,
} from './workbench.js'

const timeout = sluiceError('ERR_SLUICE_TIMEOUT')
const closed = sluiceError('ERR_SLUICE_CLOSED')

export function cancelling(bench: Workbench): void {
  const { keepsBoundaries, hasPartialSends, findsAtOnce, rounds } = bench.transport

  describe('a signal that has aborted', () => {
    test('starts nothing', async () => {
      const [one, other] = await bench.pair()
      const reason = new Error('before')
      const signal = AbortSignal.abort(reason)
      await expect(one.receive({ signal })).rejects.toBe(reason)
      await expect(one.send(Buffer.from('never'), { signal })).rejects.toBe(reason)
      await one.send(Buffer.from('first'))
      expect(await received(other)).toBe('first')
    })

    test('is looked at before anything else', async () => {
      const [one] = await bench.pair()
      one.destroy()
      const reason = new Error('before')
      const signal = AbortSignal.abort(reason)
      await expect(one.receive({ signal })).rejects.toBe(reason)
      await expect(one.send(Buffer.from('x'), { signal })).rejects.toBe(reason)
    })
  })

  describe('a forged signal that refuses listeners', () => {
    const signal = {
      aborted: false,
      addEventListener: () => {
        throw new TypeError('no')
      },
      removeEventListener: () => undefined,
    } as unknown as AbortSignal
    const refused = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

    test('is refused, and holds nobody up', async () => {
      const [one, other] = await bench.pair()
      await expect(other.receive({ signal })).rejects.toThrow(refused)
      await fill(one)
      await expect(one.send(Buffer.from('x'), { signal })).rejects.toThrow(refused)
      const sent = one.send(Buffer.from('good'))
      other.resume()
      await sent
    })
  })

  describe('a receive', () => {
    test('that is cancelled takes nothing: the bytes are there for the next', async () => {
      const [one, other] = await bench.pair()
      const controller = new AbortController()
      const cancelled = other.receive({ signal: controller.signal })
      one.write('kept')
      controller.abort()
      await expect(cancelled).rejects.toThrow(abortError)
      expect(await received(other)).toBe('kept')
      await expect(other.receive({ timeout: 5 })).rejects.toThrow(timeout)
      one.write('more')
      expect(await received(other)).toBe('more')
    })

    test('rejects with the reason of the signal, whatever it is', async () => {
      const [one] = await bench.pair()
      const controller = new AbortController()
      const cancelled = one.receive({ signal: controller.signal })
      controller.abort('a word')
      await expect(cancelled).rejects.toBe('a word')
      await expect(one.receive({ signal: AbortSignal.timeout(1) })).rejects.toThrow(
        expect.objectContaining({ name: 'TimeoutError' }) as Error,
      )
    })

    test('that was cancelled leaves what comes to those that follow, in order', async () => {
      const [one, other] = await bench.pair()
      const stop = new AbortController()
      const first = other.receive({ signal: stop.signal })
      stop.abort(new Error('later'))
      await expect(first).rejects.toThrow('later')
      await one.send(Buffer.from('one'))
      await one.send(Buffer.from('two'))
      if (keepsBoundaries) {
        expect([await received(other), await received(other)]).toEqual(['one', 'two'])
      } else {
        expect((await receivedBytes(other, 6)).toString()).toBe('onetwo')
      }
    })

    test('in the middle of those that wait can be cancelled', async () => {
      const [one, other] = await bench.pair()
      const stop = new AbortController()
      const first = received(other)
      const middle = other.receive({ signal: stop.signal })
      const last = received(other)
      stop.abort()
      await expect(middle).rejects.toThrow(abortError)
      await one.send(Buffer.from('1'))
      expect(await first).toBe('1')
      await one.send(Buffer.from('2'))
      expect(await last).toBe('2')
    })

    test('is given up while it is pending, and the connection lives', async () => {
      const [one, other] = await bench.pair()
      const stop = new AbortController()
      const reading = other.receive({ signal: stop.signal })
      await turn()
      stop.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
      expect(other.destroyed).toBe(false)
      await one.send(Buffer.from('x'))
      expect(await received(other)).toBe('x')
    })

    test('times out, and what comes later is for the next', async () => {
      const [one, other] = await bench.pair()
      await expect(other.receive({ timeout: 5 })).rejects.toEqual(timeout)
      await one.send(Buffer.from('late'))
      expect(await received(other)).toBe('late')
    })

    testIf(findsAtOnce)('with a time of 0 takes what is there', async () => {
      const [one, other] = await bench.pair()
      await one.send(Buffer.from('there'))
      expect(await received(other, { timeout: 0 })).toBe('there')
    })

    test('with an infinite time, or one beyond what timers take, waits', async () => {
      const [one, other] = await bench.pair()
      const waiting = received(other, { timeout: Infinity })
      const alsoWaiting = received(other, { timeout: 2 ** 40 })
      await turn()
      await one.send(Buffer.from('1'))
      expect(await waiting).toBe('1')
      await one.send(Buffer.from('2'))
      expect(await alsoWaiting).toBe('2')
    })

    test('is not forgotten that comes while another is being cancelled', async () => {
      const [one, other] = await bench.pair()
      for (let round = 0; round < 1000; round++) {
        const stop = new AbortController()
        const cancelled = other.receive({ signal: stop.signal })
        stop.abort(new Error('never mind'))
        const receiving = received(other)
        await expect(cancelled).rejects.toThrow('never mind')
        await one.send(Buffer.from(String(round)))
        expect(await receiving).toBe(String(round))
      }
    })

    test(
      `is cancelled against messages, ${String(rounds)} times: none is lost, none comes twice`,
      { timeout: 300_000 },
      async () => {
        const [one, other] = await bench.pair()
        const seed = Date.now() >>> 0
        const random = randomNumbers(seed)
        let next = 0
        let rest = Buffer.alloc(0)
        const take = (message: { data: Buffer } | undefined) => {
          if (message === undefined) throw new Error('the end came')
          if (keepsBoundaries) expect(message.data.length).toBe(4)
          rest = Buffer.concat([rest, message.data])
          for (; rest.length >= 4; rest = rest.subarray(4)) {
            expect(rest.readUInt32LE(), `seed ${String(seed)}`).toBe(next++)
          }
        }
        const numbered = (number: number) => {
          const bytes = Buffer.alloc(4)
          bytes.writeUInt32LE(number)
          return bytes
        }
        for (let round = 0; round < rounds; round++) {
          const stop = new AbortController()
          const receiving = other.receive({ signal: stop.signal }).then(take, (error: unknown) => {
            expect(error).toEqual(abortError)
          })
          const sending = round % 2 === 0 ? one.send(numbered(round / 2)) : undefined
          for (let left = random(3); left > 0; left--) await turn()
          abortSoon(stop, random(4))
          await receiving
          await sending
        }
        while (next < rounds / 2) take(await other.receive())
      },
    )
  })

  describe('a send', () => {
    test('that waits its turn is cancelled without a trace', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      const controller = new AbortController()
      const cancelled = one.send(Buffer.from('cancelled'), { signal: controller.signal })
      const timedOut = one.send(Buffer.from('too late'), { timeout: 5 })
      const kept = one.send(Buffer.from('kept'))
      controller.abort()
      await expect(cancelled).rejects.toThrow(abortError)
      await expect(timedOut).rejects.toThrow(timeout)
      one.end()
      const chunks: Buffer[] = []
      for await (const chunk of other) chunks.push(chunk as Buffer)
      await kept
      expect(Buffer.concat(chunks).subarray(filled).toString()).toBe('kept')
    })

    test('that waits behind another is cancelled, and the connection lives', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      const large = bench.bytes(10_000_000)
      const sending = one.send(large)
      const stop = new AbortController()
      const cancelled = one.send(Buffer.from('never'), { signal: stop.signal })
      const after = one.send(Buffer.from('after'))
      stop.abort(new Error('no'))
      await expect(cancelled).rejects.toThrow('no')
      const all = await receivedBytes(other, filled + large.length + 5)
      expect(all.subarray(filled, -5).equals(large)).toBe(true)
      expect(all.subarray(-5).toString()).toBe('after')
      await Promise.all([sending, after])
    })

    test('leaves nothing in the queue when it is cancelled before its turn', async () => {
      const [one] = await bench.pair()
      await fill(one)
      const before = one.writableLength
      for (let i = 0; i < 1100; i++) {
        await expect(one.send(Buffer.alloc(1000), { timeout: 0 })).rejects.toThrow(timeout)
      }
      expect(one.writableLength).toBe(before)
    })

    test('that is done cannot be cancelled any more', async () => {
      const [one, other] = await bench.pair()
      const controller = new AbortController()
      await one.send(Buffer.from('sent'), { signal: controller.signal })
      controller.abort()
      expect(await received(other)).toBe('sent')
      await one.send(Buffer.from('more'))
      expect(await received(other)).toBe('more')
    })

    testIf(hasPartialSends)('that is cancelled in the middle destroys the connection', async () => {
      const [one, other] = await bench.pair()
      const controller = new AbortController()
      const data = bench.bytes(10_000_000)
      const sending = one.send(data, { signal: controller.signal })
      await turn() // some of it has gone, or the system has it
      controller.abort(new Error('enough'))
      await expect(sending).rejects.toThrow('enough')
      await closeOf(one)
      await expect(one.send(Buffer.from('x'))).rejects.toThrow(closed)
      const got = await receivedToEnd(other)
      for (const chunk of got) expect(chunk.length).toBeGreaterThan(0)
      expect(Buffer.concat(got).length).toBeLessThan(data.length)
      // No part of a message looks like a message.
      if (keepsBoundaries) expect(got).toEqual([])
    })

    testIf(hasPartialSends && !keepsBoundaries)(
      'that is cancelled when the peer has some of it destroys the connection',
      async () => {
        const [one, other] = await bench.pair()
        const controller = new AbortController()
        const sending = one.send(bench.bytes(2 ** 22), { signal: controller.signal })
        await other.receive()
        controller.abort(new Error('enough'))
        await expect(sending).rejects.toThrow('enough')
        await closeOf(one)
        await expect(one.send(Buffer.from('x'))).rejects.toThrow(closed)
        for (const chunk of await receivedToEnd(other)) expect(chunk.length).toBeGreaterThan(0)
      },
    )

    testIf(hasPartialSends)('that times out in the middle destroys it, too', async () => {
      const [one] = await bench.pair()
      const sending = one.send(bench.bytes(10_000_000), { timeout: 20 })
      await expect(sending).rejects.toEqual(timeout)
      await closeOf(one)
    })
  })
}
