/** `accept` and `connect`: order, waiting and cancelling; no client is lost and none comes twice. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { eventually, resources, holdsNoMoreThan } from '../resources.js'
import { sluiceError } from '../rings.js'
import type { ServerUnderTest, TestedConnection } from './transport_under_test.js'
import {
  abortError,
  abortSoon,
  failureOf,
  ignoreErrors,
  randomNumbers,
  received,
  receivedBytes,
  codeOf,
  testIf,
  type Workbench,
} from './workbench.js'

const long = process.env['SLUICE_LONG'] === '1'
const timedOut = sluiceError('ERR_SLUICE_TIMEOUT')

export function accepting(bench: Workbench, serverUnderTest: ServerUnderTest): void {
  const { remote, knowsPeer = true } = bench.transport
  const rounds = bench.transport.rounds * (long ? 50 : 1)
  const servers = bench.withServer(serverUnderTest)

  describe('accept', () => {
    test('gives the connections in the order in which they came', async () => {
      const { server, address } = await servers.listen()
      for (let i = 0; i < 4; i++)
        await (await servers.connect(address)).send(Buffer.from(String(i)))
      for (let i = 0; i < 4; i++) {
        expect(await received(await servers.accept(server))).toBe(String(i))
      }
    })

    test('serves those that wait in their order', async () => {
      const { server, address } = await servers.listen()
      const order: number[] = []
      const accepts = [0, 1, 2].map(async (i) => {
        await servers.accept(server)
        order.push(i)
      })
      for (let i = 0; i < 3; i++) await servers.connect(address)
      await Promise.all(accepts)
      expect(order).toEqual([0, 1, 2])
    })

    test('lets a client write before anybody has accepted it', async () => {
      const { server, address } = await servers.listen()
      const client = await servers.connect(address)
      await client.send(Buffer.from('early'))
      expect(await received(await servers.accept(server))).toBe('early')
    })

    test('gives a client that has gone already, whose words and end are still there', async () => {
      const { server, address } = await servers.listen()
      const client = await servers.connect(address)
      await client.send(Buffer.from('last words'))
      client.destroy()
      const connection = await servers.accept(server)
      expect(await received(connection)).toBe('last words')
      expect(await connection.receive()).toBeUndefined()
    })

    testIf(knowsPeer)('knows who the other end is', async () => {
      const { server, address } = await servers.listen()
      const [client, connection] = await Promise.all([
        servers.connect(address),
        servers.accept(server),
      ])
      expect([client.peer.sameUser, connection.peer.sameUser]).toEqual([true, true])
    })

    test('is cancelled by its signal with the reason, and takes no client with it', async () => {
      const { server, address } = await servers.listen()
      const controller = new AbortController()
      const accept = server.accept({ signal: controller.signal })
      const reason = new Error('no longer')
      controller.abort(reason)
      await expect(accept).rejects.toBe(reason)
      await expect(server.accept({ signal: controller.signal })).rejects.toBe(reason)
      const client = await servers.connect(address)
      const connection = await servers.accept(server)
      await client.send(Buffer.from('x'))
      expect(await received(connection)).toBe('x')
    })

    test('is cancelled by its time, even one of 0', async () => {
      const { server } = await servers.listen()
      await expect(server.accept({ timeout: 5 })).rejects.toThrow(timedOut)
      await expect(server.accept({ timeout: 0 })).rejects.toThrow(timedOut)
    })

    test('keeps a connection whose accept was cancelled for the next', async () => {
      const { server, address } = await servers.listen()
      const controller = new AbortController()
      const cancelled = server.accept({ signal: controller.signal })
      const client = await servers.connect(address)
      controller.abort()
      // It may have been handed out before the abort.
      const connection = await cancelled.catch(() => server.accept())
      await client.send(Buffer.from('still here'))
      expect(await received(connection)).toBe('still here')
      connection.destroy()
    })

    test('in the middle of those that wait can be cancelled', async () => {
      const { server, address } = await servers.listen()
      const stop = new AbortController()
      const first = servers.accept(server)
      const middle = server.accept({ signal: stop.signal })
      const last = servers.accept(server)
      stop.abort()
      await expect(middle).rejects.toThrow(abortError)
      for (const accept of [first, last]) {
        const client = await servers.connect(address)
        await client.send(Buffer.from('x'))
        expect(await received(await accept)).toBe('x')
      }
    })

    test('works while so many clients come at once', async () => {
      const count = serverUnderTest.manyClients
      const { server, address } = await servers.listen()
      const serving = (async () => {
        for await (const connection of server) ignoreErrors(connection).pipe(connection)
      })()
      const clients = await Promise.all(
        Array.from({ length: count }, () => servers.connect(address)),
      )
      const answers = clients.map(async (client, i) => {
        await client.send(Buffer.from(String(i)))
        return received(client)
      })
      expect(await Promise.all(answers)).toEqual(clients.map((_, i) => String(i)))
      for (const client of clients) client.destroy()
      server.close()
      await serving
    })
  })

  describe('connect', () => {
    test('with a signal that has aborted starts nothing', async () => {
      const { address } = await servers.listen()
      const reason = new Error('before')
      const signal = AbortSignal.abort(reason)
      await expect(servers.connect(address, { signal })).rejects.toBe(reason)
      await expect(servers.connect(serverUnderTest.address(), { signal })).rejects.toBe(reason)
    })

    test('to where nobody listens says so', async () => {
      const failure = await failureOf(servers.connect(serverUnderTest.address()))
      expect(failure.name).toBe('SluiceError')
      expect(serverUnderTest.nobodyCodes).toContain(codeOf(failure))
    })

    const canBeFull = serverUnderTest.listenNarrowly !== undefined

    testIf(canBeFull)('waits while there is no room for another client', async () => {
      const { server, address } = await servers.listenNarrowly()
      const connects = Array.from({ length: 10 }, () => servers.connect(address))
      await turn()
      for (let i = 0; i < 10; i++) await servers.accept(server)
      await Promise.all(connects)
    })

    testIf(canBeFull)(
      'that waits for room is cancelled by signal and time, and leaves nothing',
      async () => {
        const { address } = await servers.listenNarrowly()
        const clients: TestedConnection[] = []
        const { connectsWithin: timeout = 20 } = serverUnderTest
        for (;;) {
          try {
            clients.push(await servers.connect(address, { timeout }))
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_SLUICE_TIMEOUT' })
            break
          }
        }
        const before = resources()
        await expect(servers.connect(address, { timeout: 20 })).rejects.toThrow(timedOut)
        const controller = new AbortController()
        const connect = servers.connect(address, { signal: controller.signal })
        controller.abort(new Error('enough'))
        await expect(connect).rejects.toThrow('enough')
        await expect(servers.connect(address, { signal: AbortSignal.timeout(10) })).rejects.toThrow(
          expect.objectContaining({ name: 'TimeoutError' }) as Error,
        )
        await eventually(() => holdsNoMoreThan(before))
        expect(clients.length).toBeGreaterThan(0)
      },
    )
  })

  describe('at random moments', () => {
    test(
      `accepts and connects are cancelled: none is lost and nothing leaks, ${String(rounds)} rounds`,
      { timeout: 600_000 },
      async () => {
        const seed = Date.now() >>> 0
        const hint = `seed ${String(seed)}`
        const random = randomNumbers(seed)
        const { server, address } = await servers.listen()
        const before = resources()
        let nextId = 0
        const connected = new Set<number>()
        const delivered: number[] = []
        const reading: Promise<void>[] = []
        const open: TestedConnection[] = []
        let cancelled = 0

        async function identify(connection: TestedConnection): Promise<void> {
          ignoreErrors(connection)
          // A client whose connect was cancelled has gone without a word.
          const id = await receivedBytes(connection, 4)
          if (id.length === 4) delivered.push(id.readUInt32LE())
          connection.destroy()
        }

        async function client(): Promise<void> {
          const controller = new AbortController()
          const connecting = serverUnderTest.connect(address, {
            signal: controller.signal,
            ...(random(4) === 0 && { timeout: random(3) }),
          })
          if (random(3) === 0) abortSoon(controller, random(4))
          try {
            const connection = ignoreErrors(await connecting)
            const id = nextId++
            const bytes = Buffer.alloc(4)
            bytes.writeUInt32LE(id)
            await connection.send(bytes)
            connected.add(id)
            open.push(connection)
          } catch (error) {
            expect(['AbortError', 'SluiceError'], hint).toContain((error as Error).name)
          }
        }

        async function accept(): Promise<void> {
          const controller = new AbortController()
          const accepting = server.accept({ signal: controller.signal, timeout: random(4) })
          if (random(2) === 0) abortSoon(controller, random(4))
          try {
            reading.push(identify(await accepting))
          } catch (error) {
            cancelled++
            expect(['AbortError', 'SluiceError'], hint).toContain((error as Error).name)
          }
        }

        for (let round = 0; round < rounds; round += 20) {
          let clients = 0
          const steps: Promise<void>[] = []
          for (let i = 0; i < 20; i++) {
            if (random(2) === 0) {
              clients++
              steps.push(client().finally(() => clients--))
            } else {
              steps.push(accept())
            }
            steps.push(accept())
            if (random(5) === 0) await turn()
          }
          // Where there is little room, clients wait until others were accepted.
          while (clients > 0) await accept()
          await Promise.all(steps)
          await Promise.all(reading.splice(0))
          for (const connection of open.splice(0)) connection.end().resume()
        }
        // Connections that nobody has accepted are given to the next accepts.
        while (delivered.length < connected.size) {
          await accept()
          await Promise.all(reading.splice(0))
        }
        expect(
          delivered.sort((a, b) => a - b),
          hint,
        ).toEqual([...connected].sort((a, b) => a - b))
        expect(connected.size).toBeGreaterThan(rounds / 10)
        expect(cancelled).toBeGreaterThan(rounds / 4)
        await closeRest()
        await eventually(
          () => holdsNoMoreThan(before),
          () => JSON.stringify([before, resources()]),
        )

        /** Clients that had gone without a word may still be kept for an accept. */
        async function closeRest(): Promise<void> {
          for (let misses = 0; misses < 5;) {
            const gone = await server.accept({ timeout: 20 }).catch(() => undefined)
            if (gone === undefined) misses++
            else await identify(gone)
          }
        }
      },
    )

    test(
      `clients connect and vanish, ${String(rounds)} times: the server goes on`,
      { timeout: 600_000 },
      async () => {
        const { server, address } = await servers.listen()
        let delivered = 0
        const serving = (async () => {
          for await (const connection of server) {
            ignoreErrors(connection).resume()
            delivered++
            connection.once('end', () => connection.destroy())
          }
        })()
        const before = resources()
        for (let round = 0; round < rounds; round++) {
          ignoreErrors(await serverUnderTest.connect(address, {})).destroy()
          if (round % 50 === 0) await turn()
        }
        const last = await serverUnderTest.connect(address, {})
        await last.send(Buffer.from('x'))
        last.destroy()
        await eventually(
          () => holdsNoMoreThan(before),
          () => JSON.stringify([before, resources()]),
        )
        expect(delivered).toBeGreaterThan(rounds / 2)
        server.close()
        await serving
      },
    )

    testIf(remote !== undefined)(
      'clients of another process are each delivered once, whatever is cancelled',
      async () => {
        if (remote === undefined) return
        const { server, address } = await servers.listen()
        const random = randomNumbers(7)
        const count = 500
        const child = bench.client(remote, address)
        expect(await child.next()).toBe('ready')
        const own = await servers.accept(server)
        child.say(['clients', address, count])
        const seen: number[] = []
        while (seen.length < count) {
          const controller = new AbortController()
          const accept = server.accept({ signal: controller.signal })
          if (random(2) === 0) abortSoon(controller, random(4))
          try {
            const connection = await accept
            seen.push(Number(await received(connection)))
            connection.destroy()
          } catch (error) {
            expect((error as Error).name).toBe('AbortError')
          }
        }
        expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
        expect(await child.next()).toEqual({ value: count })
        own.destroy()
        child.hangUp()
        await child.finish()
      },
    )
  })
}
