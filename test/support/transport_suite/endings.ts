/** Every way in which a connection ends, seen from both sides. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { sluiceError, systemFailure } from '../rings.js'
import type { TestedConnection } from './transport_under_test.js'
import {
  closeOf,
  collected,
  describeIf,
  failureOf,
  fill,
  ignoreErrors,
  received,
  receivedToEnd,
  codeOf,
  text,
  turns,
  type Workbench,
} from './workbench.js'

const closed = sluiceError('ERR_SLUICE_CLOSED')

export function endings(bench: Workbench): void {
  const { halfClose, hasPartialSends, goneCodes } = bench.transport

  describe('the end', () => {
    test('of the peer is an end event, and then a close', async () => {
      const [one, other] = await bench.pair()
      const events: string[] = []
      for (const name of ['end', 'finish', 'close']) other.on(name, () => events.push(name))
      other.resume()
      one.resume()
      one.end()
      await Promise.all([once(other, 'close'), once(one, 'close')])
      expect(events).toEqual(['end', 'finish', 'close'])
    })

    test('is undefined for a receive, before and after it, and again and again', async () => {
      const [one, other] = await bench.pair()
      const waiting = [other.receive(), other.receive()]
      one.end()
      expect(await Promise.all(waiting)).toEqual([undefined, undefined])
      for (let i = 0; i < 3; i++) expect(await other.receive()).toBeUndefined()
      await closeOf(other)
      expect(await other.receive()).toBeUndefined()
    })

    test('comes after the last bytes', async () => {
      const [one, other] = await bench.pair()
      one.end('last')
      expect(await received(other)).toBe('last')
      expect(await other.receive()).toBeUndefined()
      expect(await other.receive()).toBeUndefined()
      await closeOf(one.resume())
    })

    test.each(['one', 'other'])(
      'leaves everything that was written to be read, after the close too: written by %s',
      async (which) => {
        const [one, other] = await bench.pair()
        const [writer, reader] = which === 'one' ? [one, other] : [other, one]
        const data = bench.bytes(50_000)
        writer.resume()
        writer.end(data)
        if (halfClose) reader.end()
        await closeOf(writer)
        expect(await text(reader)).toBe(data.toString())
      },
    )

    test('of a writer that has much to write comes after all of it', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      one.end('last')
      const all = Buffer.concat(await receivedToEnd(other))
      expect(all.length).toBe(filled + 4)
      expect(all.subarray(filled).toString()).toBe('last')
    })

    test.each(['one', 'other'])('is seen when the %s side is destroyed', async (which) => {
      const [one, other] = await bench.pair()
      const [going, staying] = which === 'one' ? [one, other] : [other, one]
      const reading = staying.receive()
      going.destroy()
      expect(await reading).toBeUndefined()
      expect(await staying.receive()).toBeUndefined()
    })

    test('of a peer that was destroyed comes after what it had sent', async () => {
      const [one, other] = await bench.pair()
      await one.send(Buffer.from('last words'))
      one.destroy()
      expect(await received(other)).toBe('last words')
      expect(await other.receive()).toBeUndefined()
    })

    test('makes this side end too, without allowHalfOpen', async () => {
      const [one, other] = await bench.pair()
      other.resume()
      one.end()
      await once(other, 'finish')
      expect(other.writableEnded).toBe(true)
    })

    test('makes this side end too when a receive has seen it', async () => {
      const [one, other] = await bench.pair()
      one.end()
      expect(await other.receive()).toBeUndefined()
      await closeOf(other)
      expect(await received(one)).toBeUndefined()
      await closeOf(one)
    })

    test('lets no send come after it', async () => {
      const [one, other] = await bench.pair()
      one.end('last')
      await expect(one.send(Buffer.from('late'))).rejects.toThrow(closed)
      expect(await text(other)).toBe('last')
    })

    test('of both sides at once closes both', async () => {
      const [one, other] = await bench.pair()
      one.resume()
      other.resume()
      one.end('a')
      other.end('b')
      await Promise.all([closeOf(one), closeOf(other)])
    })
  })

  describeIf(halfClose)('half-closing', () => {
    test('with allowHalfOpen the other direction goes on after the end of one', async () => {
      const [one, other] = await bench.pair({ allowHalfOpen: true })
      const question = collected(other)
      const answer = collected(one)
      one.end('question')
      expect(await question).toBe('question')
      expect(other.writable).toBe(true)
      other.write('an')
      await turn()
      other.end('swer')
      expect(await answer).toBe('answer')
    })

    test('with receive: the answer comes after the end of the question', async () => {
      const [one, other] = await bench.pair({ allowHalfOpen: true })
      one.end('question')
      expect(await received(other)).toBe('question')
      expect(await other.receive()).toBeUndefined()
      other.end('answer')
      expect(await text(one)).toBe('answer')
    })

    test('an end that was sent before the other side begins to read comes after the bytes', async () => {
      const [one, other] = await bench.pair({ allowHalfOpen: true })
      one.end('01')
      await once(one, 'finish')
      const echo = pipeline(other, new PassThrough(), other)
      expect(await text(one)).toBe('01')
      await echo
    })

    test('a connection that only writes is closed when both sides have ended', async () => {
      const [one, other] = await bench.pair()
      const close = once(one, 'close')
      one.end('last words')
      for await (const chunk of other) expect(String(chunk)).toBe('last words')
      await close
    })

    bench.test(
      'a receive that was cancelled after end() leaves the look-out for the end on',
      async () => {
        const [one, other] = await bench.pair()
        one.end()
        await once(one, 'finish')
        const cancelling = new AbortController()
        const receive = one.receive({ signal: cancelling.signal })
        cancelling.abort(new Error('enough'))
        await expect(receive).rejects.toThrow('enough')
        const close = once(one, 'close')
        other.end()
        await close
      },
    )
  })

  describe('closing', () => {
    test('destroy with an error emits it, then close', async () => {
      const [one] = await bench.pair()
      const events: unknown[] = []
      one.on('error', (error) => events.push(error))
      one.on('close', () => events.push('close'))
      one.resume()
      const error = new Error('enough')
      one.destroy(error)
      await new Promise((resolve) => one.once('close', resolve))
      expect(events).toEqual([error, 'close'])
    })

    test('tells with the close event whether there was an error', async () => {
      const [one, other] = await bench.pair()
      one.on('error', () => undefined)
      // Not the `once` of node:events, which rejects on an error.
      const closes = [one, other].map((end) => new Promise((resolve) => end.once('close', resolve)))
      one.destroy(new Error('enough'))
      other.resume()
      expect(await Promise.all(closes)).toEqual([true, false])
    })

    test('close() is idempotent, and so is Symbol.dispose', async () => {
      const [one, other] = await bench.pair()
      one.close()
      one.close()
      one[Symbol.dispose]()
      await closeOf(one)
      other[Symbol.dispose]()
      other.close()
      await closeOf(other)
      expect([one.destroyed, other.destroyed]).toEqual([true, true])
    })

    test('close() tells all that wait', async () => {
      const [one] = await bench.pair()
      const receive = one.receive()
      one.close()
      await expect(receive).rejects.toThrow(closed)
      await expect(one.receive()).rejects.toThrow(closed)
      await expect(one.send(Buffer.from('x'))).rejects.toThrow(closed)
    })

    test('what waits fails with the error of destroy', async () => {
      const [one] = await bench.pair()
      await fill(one)
      ignoreErrors(one)
      const error = new Error('enough')
      const waiting = [one.receive(), one.send(Buffer.from('x')), one.send(Buffer.from('y'))]
      const failures = waiting.map(failureOf)
      one.destroy(error)
      expect(await Promise.all(failures)).toEqual([error, error, error])
      await expect(one.send(Buffer.from('x'))).rejects.toBe(error)
      await expect(one.receive()).rejects.toBe(error)
    })

    test('an error that promises have told is no error event where nobody listens', async () => {
      const [one, other] = await bench.pair()
      other.destroy()
      await closeOf(other)
      const failure = await failureOf(
        (async () => {
          for (;;) await one.send(bench.bytes(1000))
        })(),
      )
      expect(failure).toEqual(systemFailure())
      expect(goneCodes).toContain(codeOf(failure))
      await closeOf(one) // an error event without a listener would have ended the test
    })

    test('an error of send is an error event where somebody listens', async () => {
      const [one, other] = await bench.pair()
      const errors: unknown[] = []
      one.on('error', (error) => errors.push(error))
      other.destroy()
      await closeOf(other)
      const failure = await failureOf(
        (async () => {
          for (;;) await one.send(bench.bytes(1000))
        })(),
      )
      await closeOf(one)
      expect(errors).toEqual([failure])
    })

    test.each(['nothing', 'a read', 'a write', 'a read and a write', 'an end'] as const)(
      'destroy with %s pending rejects it',
      async (what) => {
        const [one] = await bench.pair()
        const reading = what.includes('read') ? one.receive() : undefined
        if (what.includes('write') && !hasPartialSends) await fill(one)
        const writing = what.includes('write') ? one.send(bench.bytes(10_000_000)) : undefined
        if (what === 'an end') one.end(bench.bytes(10_000_000))
        reading?.catch(() => undefined)
        writing?.catch(() => undefined)
        one.destroy()
        one.destroy()
        await closeOf(one)
        if (reading) await expect(reading).rejects.toEqual(closed)
        if (writing) await expect(writing).rejects.toEqual(closed)
        await expect(one.send(Buffer.from('x'))).rejects.toEqual(closed)
        await expect(one.receive()).rejects.toEqual(closed)
      },
    )

    const states: Record<string, (one: TestedConnection, other: TestedConnection) => unknown> = {
      'before anything': () => undefined,
      'while reading': (one) => one.resume(),
      'while receiving': (one) => {
        one.receive().catch(() => undefined)
      },
      'after a receive was cancelled': async (one) => {
        await one.receive({ timeout: 0 }).catch(() => undefined)
      },
      'while paused': (one, other) => {
        other.write('x')
        one.on('data', () => one.pause())
      },
      'with bytes that nobody reads': async (_one, other) => {
        await other.send(Buffer.from('never read'))
        await turn()
      },
      'while a write waits': (one) => {
        for (let i = 0; i < 64; i++) one.write(Buffer.alloc(65536))
      },
      'while a send waits': async (one) => {
        await fill(one)
        one.send(Buffer.from('x')).catch(() => undefined)
      },
      'while corked': (one) => {
        one.cork()
        one.write('x')
      },
      'while ending': (one) => {
        one.write(bench.bytes(2 ** 21))
        one.end()
      },
      'after its end': (one) => one.end(),
      "after the peer's end": async (one, other) => {
        one.resume()
        other.end()
        await once(one, 'end')
      },
      'after the peer was destroyed': (_one, other) => other.destroy(),
      'while it is piped': (one, other) => {
        one.pipe(new PassThrough())
        other.write('x')
      },
      'while it is iterated': async (one, other) => {
        const iterator = one[Symbol.asyncIterator]()
        other.write('x')
        await iterator.next()
        iterator.next().catch(() => undefined)
      },
      'inside a data listener': async (one, other) => {
        other.write('x')
        one.once('data', () => one.destroy())
        await once(one, 'close')
      },
    }
    for (const [state, enter] of Object.entries(states)) {
      test(`destroy ${state}: it closes once and nothing more happens`, async () => {
        const [one, other] = await bench.pair({ allowHalfOpen: halfClose })
        other.on('error', () => undefined)
        let closes = 0
        one.on('close', () => closes++)
        await enter(one, other)
        one.destroy()
        one.destroy()
        if (!one.closed) await once(one, 'close')
        await turn()
        expect(closes).toBe(1)
        expect(one.destroyed).toBe(true)
      })
    }

    test('nothing is emitted after close', async () => {
      const [one, other] = await bench.pair()
      const events: string[] = []
      ignoreErrors(other)
      for (const name of ['data', 'end', 'drain', 'finish', 'error', 'timeout']) {
        one.on(name, () => events.push(name))
      }
      for (let i = 0; i < 10; i++) other.write('x')
      await once(one, 'data')
      await fill(one)
      one.destroy()
      await closeOf(one)
      events.length = 0
      await turns(50)
      expect(events).toEqual([])
    })
  })
}
