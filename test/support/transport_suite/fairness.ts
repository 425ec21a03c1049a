/** A busy connection leaves room for timers and for others. Turns are counted, not time. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import type { TestedConnection } from './transport_under_test.js'
import { fill, received, type Workbench } from './workbench.js'

/** Counts how often the loop goes round. */
function countTurns(): { readonly turns: number; stop: () => void } {
  let turns = 0
  let immediate: NodeJS.Immediate
  const next = () => {
    immediate = setImmediate(() => {
      turns++
      next()
    })
  }
  next()
  return {
    get turns() {
      return turns
    },
    stop: () => {
      clearImmediate(immediate)
    },
  }
}

/** Writes as fast as it goes, until it is stopped. */
function busy(connection: TestedConnection, chunk: Buffer): () => void {
  let stopped = false
  const more = () => {
    while (!stopped && connection.write(chunk));
    if (!stopped) connection.once('drain', more)
  }
  more()
  return () => {
    stopped = true
  }
}

export function fairness(bench: Workbench): void {
  const { server, hasPartialSends } = bench.transport

  describe('the loop goes round', () => {
    test('while sends always find room', async () => {
      const [one, other] = await bench.pair()
      other.resume()
      const loop = countTurns()
      for (let i = 0; i < 2000; i++) await one.send(Buffer.from('x'))
      loop.stop()
      expect(loop.turns).toBeGreaterThanOrEqual(2000 / 256 - 1)
    })

    test.each(['behind a write', 'corked'])('while sends go by the queue, %s', async (how) => {
      const [one, other] = await bench.pair()
      other.resume()
      const loop = countTurns()
      for (let i = 0; i < 1000; i++) {
        if (how === 'corked') one.cork()
        else one.write('x')
        const sent = one.send(Buffer.from('y'))
        if (how === 'corked') one.uncork()
        await sent
      }
      loop.stop()
      expect(loop.turns).toBeGreaterThan(0)
    })

    test('while receives always find something', async () => {
      const [one, other] = await bench.pair()
      const stop = busy(one, bench.bytes(1024))
      const loop = countTurns()
      for (let i = 0; i < 2000; i++) await other.receive()
      loop.stop()
      stop()
      expect(loop.turns).toBeGreaterThanOrEqual(2000 / 256 - 1)
    })

    test('while a stream is written and read as fast as it goes', async () => {
      const [one, other] = await bench.pair()
      other.resume()
      const stop = busy(one, bench.bytes(65536))
      // A thread may watch the descriptors, whose pace is not that of the loop.
      await once(other, 'data')
      for (let i = 0; i < 100; i++) await turn()
      stop()
      expect(other.bytesRead).toBeGreaterThan(0)
    })

    test('a timer fires while a stream is busy', async () => {
      const [one, other] = await bench.pair()
      let chunks = 0
      const stop = busy(one, bench.bytes(65536))
      const fired = new Promise<void>((resolve) => setTimeout(resolve, 1))
      other.on('data', () => {
        if (++chunks > 100_000) throw new Error('the timer is starved')
      })
      await fired
      stop()
    })
  })

  describe('another connection', () => {
    test('gets its message while one is read as a stream', async () => {
      const [one, other] = await bench.pair()
      const [quiet, quietOther] = await bench.pair()
      let chunks = 0
      const stop = busy(one, bench.bytes(65536))
      other.on('data', () => {
        if (++chunks > 100_000) throw new Error('the other connection is starved')
      })
      await once(other, 'data')
      for (let i = 0; i < 10; i++) {
        await quiet.send(Buffer.from(String(i)))
        expect(await received(quietOther)).toBe(String(i))
      }
      stop()
    })

    test('gets its message while one receives all the time', async () => {
      const [one, other] = await bench.pair()
      const [quiet, quietOther] = await bench.pair()
      const stop = busy(one, bench.bytes(1024))
      const receiving = (async () => {
        for (let count = 0; (await other.receive()) !== undefined; count++) {
          if (count > 1_000_000) throw new Error('the other connection is starved')
        }
      })()
      for (let i = 0; i < 10; i++) {
        await quiet.send(Buffer.from(String(i)))
        expect(await received(quietOther)).toBe(String(i))
      }
      stop()
      one.destroy()
      await receiving
    })

    test('is not held up by one whose peer does not read', async () => {
      const [one] = await bench.pair()
      const [quiet, quietOther] = await bench.pair()
      await fill(one)
      const waiting = one.send(Buffer.from('x'))
      waiting.catch(() => undefined)
      if (hasPartialSends) one.write(bench.bytes(2 ** 20))
      await quiet.send(Buffer.from('through'))
      expect(await received(quietOther)).toBe('through')
    })
  })

  if (server === undefined) return
  const servers = bench.withServer(server)

  describe('accepting', () => {
    bench.test('accepts let the loop go round while there always are clients', async () => {
      const { server: listening, address } = await servers.listen()
      let left = 400
      // Some at a time, for there may be room for few; there always are some that wait.
      const connecting = Promise.all(
        Array.from({ length: 20 }, async () => {
          while (left-- > 0) await servers.connect(address)
        }),
      )
      const loop = countTurns()
      for (let i = 0; i < 400; i++) await servers.accept(listening)
      await connecting
      loop.stop()
      expect(loop.turns).toBeGreaterThan(0)
    })
  })
}
