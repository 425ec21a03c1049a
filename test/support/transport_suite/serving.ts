/** A server: its iteration, its signal, its closing. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { eventually, resources, holdsNoMoreThan } from '../resources.js'
import { sluiceError } from '../rings.js'
import type { ServerUnderTest, TestedConnection } from './transport_under_test.js'
import {
  closeOf,
  failureOf,
  ignoreErrors,
  received,
  codeOf,
  turns,
  type Workbench,
} from './workbench.js'

const closed = sluiceError('ERR_SLUICE_CLOSED')

export function serving(bench: Workbench, serverUnderTest: ServerUnderTest): void {
  const servers = bench.withServer(serverUnderTest)

  describe('a server', () => {
    test('fails accepts when it is closed, before and after', async () => {
      const { server } = await servers.listen()
      const accepts = [server.accept(), server.accept()]
      expect(server.closed).toBe(false)
      server.close()
      server.close()
      expect(server.closed).toBe(true)
      await Promise.all(accepts.map((accept) => expect(accept).rejects.toThrow(closed)))
      await expect(server.accept()).rejects.toThrow(closed)
    })

    test('ends its iteration when it is closed', async () => {
      const { server, address } = await servers.listen()
      const seen: TestedConnection[] = []
      const iteration = (async () => {
        for await (const connection of server) {
          seen.push(connection)
          if (seen.length === 2) server.close()
        }
      })()
      await servers.connect(address)
      await servers.connect(address)
      await iteration
      expect(seen).toHaveLength(2)
      for (const connection of seen) connection.destroy()
    })

    test('ends its iteration quietly when it is closed while that waits', async () => {
      const { server } = await servers.listen()
      let count = 0
      const iteration = (async () => {
        for await (const connection of server) {
          connection.destroy()
          count++
        }
        return 'ended'
      })()
      await turn()
      server.close()
      expect(await iteration).toBe('ended')
      expect(count).toBe(0)
    })

    test('goes on after an iteration that was left', async () => {
      const { server, address } = await servers.listen()
      await servers.connect(address)
      for await (const connection of server) {
        connection.destroy()
        break
      }
      expect(server.closed).toBe(false)
      await servers.connect(address)
      await servers.accept(server)
    })

    test('is closed by its signal, whose reason its accepts get', async () => {
      const controller = new AbortController()
      const { server, address } = await servers.listen({ signal: controller.signal })
      const accept = server.accept()
      const reason = new Error('over')
      controller.abort(reason)
      await expect(accept).rejects.toBe(reason)
      expect(server.closed).toBe(true)
      const failure = await failureOf(servers.connect(address))
      expect(serverUnderTest.nobodyCodes).toContain(codeOf(failure))
      await expect(
        serverUnderTest.listen(serverUnderTest.address(), { signal: controller.signal }),
      ).rejects.toBe(reason)
    })

    test('closes connections that nobody accepted, and leaves the others alone', async () => {
      const { server, address } = await servers.listen()
      const first = await servers.connect(address)
      const accepted = await servers.accept(server)
      const second = await servers.connect(address)
      server.close()
      // The system may tell of a reset instead of an end.
      expect(await second.receive().catch(() => undefined)).toBeUndefined()
      await first.send(Buffer.from('x'))
      expect(await received(accepted)).toBe('x')
      await accepted.send(Buffer.from('y'))
      expect(await received(first)).toBe('y')
    })

    test('closes connections that a cancelled accept has left', async () => {
      const { server, address } = await servers.listen()
      const stop = new AbortController()
      const accepts = [server.accept(), server.accept({ signal: stop.signal })]
      const first = await servers.connect(address)
      const second = await servers.connect(address)
      stop.abort()
      const outcomes = await Promise.allSettled(accepts)
      server.close()
      for (const outcome of outcomes) if (outcome.status === 'fulfilled') outcome.value.destroy()
      for (const client of [first, second]) {
        expect(await client.receive().catch(() => undefined)).toBeUndefined()
      }
    })

    test('lets go of its address at once', async () => {
      const { server, address } = await servers.listen()
      server.close()
      const failure = await failureOf(servers.connect(address))
      expect(serverUnderTest.nobodyCodes).toContain(codeOf(failure))
      for (let round = 0; round < 20; round++) {
        const again = await serverUnderTest.listen(address, {})
        const client = await servers.connect(address)
        again.close()
        await client.receive().catch(() => undefined)
        client.destroy()
        await closeOf(client)
      }
    })

    test('Symbol.dispose closes', async () => {
      const { server } = await servers.listen()
      server[Symbol.dispose]()
      server.close()
      expect(server.closed).toBe(true)
      await expect(server.accept()).rejects.toThrow(closed)
    })

    test('works all the same when it is unref-ed, and so do its connections', async () => {
      const { server, address } = await servers.listen()
      expect(server.unref().ref().unref()).toBe(server)
      const client = servers.connect(address)
      const accepted = await servers.accept(server)
      expect(accepted.unref().ref()).toBe(accepted)
      ignoreErrors(accepted).resume()
      ;(await client).destroy()
      await closeOf(accepted)
    })

    test('outlives connections in every state', async () => {
      const { server, address } = await servers.listen()
      const before = resources()
      for (let round = 0; round < 20; round++) {
        const [client, accepted] = await Promise.all([
          servers.connect(address),
          servers.accept(server),
        ])
        ignoreErrors(client)
        ignoreErrors(accepted)
        if (round % 4 === 1) accepted.receive().catch(() => undefined)
        if (round % 4 === 2) accepted.write(bench.bytes(2 ** 20))
        if (round % 4 === 3) client.resume()
        ;(round % 2 === 0 ? client : accepted).destroy()
        await turns(2)
        client.destroy()
        accepted.destroy()
      }
      await eventually(
        () => holdsNoMoreThan(before),
        () => JSON.stringify([before, resources()]),
      )
      await servers.connect(address)
      await servers.accept(server)
    })
  })
}
