/** Listeners that do the worst: destroy in the middle, begin anew, throw. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { sluiceError } from '../rings.js'
import { uncaughtExceptions } from '../uncaught.js'
import type { TestedConnection } from './transport_under_test.js'
import {
  closeOf,
  failureOf,
  fill,
  ignoreErrors,
  outcomeOf,
  received,
  receivedBytes,
  turns,
  type Workbench,
} from './workbench.js'

const closed = sluiceError('ERR_SLUICE_CLOSED')

export function listeners(bench: Workbench): void {
  const { server, halfClose } = bench.transport

  type Prepare = (one: TestedConnection, other: TestedConnection) => unknown
  const moments: Record<string, Prepare> = {
    data: (one, other) => {
      one.resume()
      for (let i = 0; i < 20; i++) other.write('x')
    },
    readable: (_, other) => other.write('x'),
    end: (one, other) => {
      one.resume()
      other.end('x')
    },
    drain: async (one, other) => {
      while (one.write(Buffer.alloc(65536))) await turn()
      other.resume()
    },
    finish: (one, other) => {
      other.resume()
      one.end('x')
    },
    timeout: (one) => one.setTimeout(1),
    pause: (one) => {
      one.resume()
      one.pause()
    },
  }

  describe('a listener that destroys the connection', () => {
    for (const [event, prepare] of Object.entries(moments)) {
      test(`in '${event}': it closes, and no event follows but close`, async () => {
        const [one, other] = await bench.pair({ allowHalfOpen: halfClose })
        ignoreErrors(other)
        const events: string[] = []
        for (const name of ['data', 'end', 'drain', 'finish', 'error', 'timeout']) {
          if (name !== 'data' || event === 'data') one.on(name, () => events.push(name))
        }
        one.once(event, () => {
          one.destroy()
          events.length = 0
        })
        await prepare(one, other)
        await closeOf(one)
        await turns(10)
        expect(events).toEqual([])
      })
    }

    bench.test('in the callback of a write: the writes after it fail', async () => {
      const [one] = await bench.pair()
      const outcomes: unknown[] = []
      const done = new Promise<void>((resolve) => {
        one.write('a', () => one.destroy())
        one.write('b', (error) => {
          outcomes.push(error)
          resolve()
        })
      })
      await closeOf(one)
      await done
      expect(outcomes).toHaveLength(1)
    })

    test('in error: it closes once', async () => {
      const [one] = await bench.pair()
      one.resume()
      let closes = 0
      one.on('close', () => closes++)
      one.once('error', () => one.destroy())
      one.destroy(new Error('enough'))
      await closeOf(one)
      await turns(10)
      expect(closes).toBe(1)
    })

    test('and the other end too, in data', async () => {
      const [one, other] = await bench.pair()
      ignoreErrors(other)
      one.once('data', () => {
        other.destroy()
        one.destroy()
      })
      other.write('x')
      await Promise.all([closeOf(one), closeOf(other)])
    })
  })

  describe('an await', () => {
    test('of receive may be followed by destroy: the receives behind it are told', async () => {
      const [one, other] = await bench.pair()
      const first = other.receive().then(() => other.destroy())
      const others = [other.receive(), other.receive()].map(failureOf)
      await one.send(Buffer.from('x'))
      await first
      for (const failure of await Promise.all(others)) expect(failure).toEqual(closed)
    })

    test('of receive may be followed by another receive and a send', async () => {
      const [one, other] = await bench.pair()
      const serving = (async () => {
        for (let message; (message = await other.receive()) !== undefined;) {
          await other.send(message.data)
        }
      })()
      for (let i = 0; i < 100; i++) {
        await one.send(Buffer.from('ping'))
        expect((await receivedBytes(one, 4)).toString()).toBe('ping')
      }
      one.end()
      await serving
    })

    test('of send may be followed by destroy: the sends behind it are told', async () => {
      const [one, other] = await bench.pair()
      await fill(one)
      const first = one.send(Buffer.from('x')).then(() => one.destroy())
      const others = Array.from({ length: 10 }, () => outcomeOf(one.send(bench.bytes(65536))))
      other.resume()
      await first
      await closeOf(one)
      expect((await Promise.all(others)).at(-1)).toEqual({ status: 'rejected', reason: closed })
    })
  })

  describe('a signal', () => {
    test('whose own listener destroys the connection cancels all the same', async () => {
      const [one] = await bench.pair()
      const controller = new AbortController()
      controller.signal.addEventListener('abort', () => one.destroy())
      const reason = new Error('enough')
      const outcomes = [
        failureOf(one.receive({ signal: controller.signal })),
        failureOf(one.receive({ signal: controller.signal })),
      ]
      controller.abort(reason)
      for (const failure of await Promise.all(outcomes)) {
        expect([reason.message, 'the connection is closed']).toContain(failure.message)
      }
      await closeOf(one)
    })

    test('can be shared by many operations', async () => {
      const [one, other] = await bench.pair()
      await fill(one)
      const controller = new AbortController()
      const { signal } = controller
      const outcomes = Array.from({ length: 50 }, () => [
        failureOf(one.send(Buffer.from('x'), { signal })),
        failureOf(one.receive({ signal })),
      ]).flat()
      const reason = new Error('enough')
      controller.abort(reason)
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set([reason]))
      await other.send(Buffer.from('still works'))
      expect(await received(one)).toBe('still works')
    })
  })

  describe('a listener that throws', () => {
    test('in data is an uncaught exception, and the connection goes on', async () => {
      const seen = uncaughtExceptions()
      const [one, other] = await bench.pair()
      const chunks: string[] = []
      one.on('data', (chunk: Buffer) => {
        chunks.push(chunk.toString())
        if (chunks.length === 1) throw new Error('mine')
      })
      other.write('a')
      while (seen.length === 0) await turn()
      other.write('b')
      other.end()
      await once(one, 'end')
      expect(chunks).toEqual(['a', 'b'])
      expect(seen).toEqual([expect.objectContaining({ message: 'mine' })])
    })
  })

  if (server === undefined) return
  const servers = bench.withServer(server)

  describe('an await of accept', () => {
    test('may be followed by close of the server: the accepts behind it are told', async () => {
      const { server: listening, address } = await servers.listen()
      const first = servers.accept(listening).then(() => {
        listening.close()
      })
      const others = [listening.accept(), listening.accept()].map(failureOf)
      await servers.connect(address)
      await first
      for (const failure of await Promise.all(others)) expect(failure).toEqual(closed)
    })
  })
}
