/** The counts of what is left open: everything that was opened is closed, on every path. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import { eventually, holdsNoMoreThan, resources } from '../resources.js'
import { caughtWarnings } from '../warnings.js'
import type { TestedConnection } from './transport_under_test.js'
import {
  closeOf,
  failureOf,
  fill,
  ignoreErrors,
  watchedForClose,
  type Workbench,
} from './workbench.js'

const times = 20

async function isAsBefore(before: ReturnType<typeof resources>): Promise<void> {
  await eventually(
    () => holdsNoMoreThan(before),
    () => JSON.stringify([before, resources()]),
  )
}

export function openResources(bench: Workbench): void {
  const { server, halfClose, ownsResources = true } = bench.transport

  const ends: Record<string, (one: TestedConnection, other: TestedConnection) => unknown> = {
    'destroyed at once': () => undefined,
    'ended by both': async (one, other) => {
      one.resume()
      other.resume()
      one.end()
      other.end()
      await Promise.all([closeOf(one), closeOf(other)])
    },
    'destroyed while it receives': (one) => {
      one.receive().catch(() => undefined)
    },
    'destroyed after a receive was cancelled': (one) =>
      one.receive({ timeout: 0 }).catch(() => undefined),
    'destroyed while it is read': (one) => one.resume(),
    'destroyed with unread bytes': async (one, other) => {
      await other.send(bench.bytes(1000))
      one.read(0)
      await turn()
    },
    'destroyed while sends wait': async (one) => {
      await fill(one)
      for (let i = 0; i < 10; i++) one.send(bench.bytes(1000)).catch(() => undefined)
    },
    'destroyed after sends were cancelled': async (one) => {
      await fill(one)
      await one.send(Buffer.from('x'), { timeout: 0 }).catch(() => undefined)
    },
    'destroyed while it ends': (one) => one.end(bench.bytes(2 ** 20)),
    'destroyed with an error': (one) => ignoreErrors(one).destroy(new Error('enough')),
    'destroyed by its data listener': async (one, other) => {
      one.once('data', () => one.destroy())
      other.write('x')
      await closeOf(one)
    },
    'whose peer has gone': async (one, other) => {
      other.destroy()
      await failureOf(
        (async () => {
          for (;;) await one.send(bench.bytes(1000))
        })(),
      )
    },
    ...(halfClose && {
      'ended by one': async (one: TestedConnection) => {
        one.end()
        await once(one, 'finish')
      },
    }),
  }

  describe('nothing is left open', () => {
    for (const [how, enter] of Object.entries(ends)) {
      test(`of a connection ${how}`, async () => {
        const before = resources()
        for (let i = 0; i < times; i++) {
          const [one, other] = await bench.transport.pair()
          watchedForClose(one)
          watchedForClose(other)
          ignoreErrors(one)
          ignoreErrors(other)
          await enter(one, other)
          one.destroy()
          other.destroy()
          await Promise.all([closeOf(one), closeOf(other)])
        }
        await isAsBefore(before)
      })
    }

    test('of 100 connections that are open at once', async () => {
      const before = resources()
      const pairs = await Promise.all(Array.from({ length: 100 }, () => bench.transport.pair()))
      if (ownsResources) expect(holdsNoMoreThan(before)).toBe(false)
      for (const end of pairs.flat()) watchedForClose(end).destroy()
      await Promise.all(pairs.flat().map(closeOf))
      await isAsBefore(before)
    })

    const forgotten = async () => {
      const warnings = caughtWarnings()
      const before = resources()
      const refs = await forgottenPair()
      onTestFinished(() => {
        for (const ref of refs) ref.deref()?.destroy()
      })
      await eventually(
        () => warnings.length === 2,
        () => 'there was no warning',
        3000,
      )
      for (const warning of warnings) {
        expect(warning).toMatchObject({ name: 'SluiceWarning', code: 'SLUICE_FORGOTTEN' })
      }
      await isAsBefore(before)
    }
    if (ownsResources) {
      bench.test('connections that were forgotten are closed by the garbage collector', forgotten)
    }

    /** In a function of its own, so that nothing here refers to them any more. */
    async function forgottenPair(): Promise<WeakRef<TestedConnection>[]> {
      const refs = (await bench.transport.pair()).map((end) => new WeakRef(end))
      await turn() // those that are closed in the turn they were made in are not looked at
      return refs
    }
  })

  if (server === undefined) return

  describe('nothing is left open of a server', () => {
    test('that was opened and closed', async () => {
      const before = resources()
      for (let i = 0; i < times; i++) (await server.listen(server.address(), {})).close()
      await isAsBefore(before)
    })

    test('that waits for clients', async () => {
      const before = resources()
      for (let i = 0; i < times; i++) {
        const listening = await server.listen(server.address(), {})
        const accepts = Array.from({ length: 10 }, () => failureOf(listening.accept()))
        if (i % 2 === 0) await turn()
        listening.close()
        await Promise.all(accepts)
      }
      await isAsBefore(before)
    })

    test('that has clients which nobody has accepted', async () => {
      const before = resources()
      for (let i = 0; i < times; i++) {
        const address = server.address()
        const listening = await server.listen(address, {})
        const clients = [await server.connect(address, {}), await server.connect(address, {})]
        if (i % 2 === 0) await turn()
        listening.close()
        for (const client of clients) watchedForClose(client).destroy()
        await Promise.all(clients.map(closeOf))
      }
      await isAsBefore(before)
    })

    test('that was closed by its signal, which goes on', async () => {
      const before = resources()
      const controller = new AbortController()
      const listening = await server.listen(server.address(), { signal: controller.signal })
      listening.close()
      controller.abort()
      await isAsBefore(before)
    })

    test('to which connecting failed', async () => {
      const before = resources()
      for (let i = 0; i < times; i++) await failureOf(server.connect(server.address(), {}))
      await isAsBefore(before)
    })
  })
}
