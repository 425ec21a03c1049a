/** Whom a server turns away by itself, over every transport: too many, too fast, too silent. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { Server, type AcceptorEvents, type Connection } from '../../lib/index.js'
import { Limits } from '../../lib/transport/limits.js'
import { RateLimit } from '../../lib/transport/rate_limit.js'
import { idleAcceptor } from '../support/idle_acceptor.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { kept, serverKinds, untilTestEnds } from '../support/server_kinds.js'
import { caughtWarnings } from '../support/warnings.js'

describe.each(serverKinds)('a server %s', (_, kind) => {
  const { serve, connect } = untilTestEnds(kind)
  const pair = async (server: Server, address: string) => {
    const [client, accepted] = await Promise.all([connect(address), server.accept()])
    return { client, accepted: kept(accepted) }
  }

  /** Resolves when the connection was closed by the other end. */
  async function turnedAway(client: Connection): Promise<void> {
    client.resume()
    if (!client.closed) await once(client, 'close')
  }

  test('closes clients that come at maxConnections at once, whether somebody accepts or not', async () => {
    const { server, address } = await serve({ maxConnections: 2 })
    const first = await pair(server, address)
    await pair(server, address)
    await turnedAway(await connect(address))
    expect(server.stats()).toMatchObject({ open: 2, admitted: 2, rejected: { limit: 1 } })
    const waiting = server.accept()
    await turnedAway(await connect(address))
    expect(server.stats()).toMatchObject({ open: 2, admitted: 2, rejected: { limit: 2 } })
    first.accepted.destroy()
    await eventually(() => server.stats().open === 1)
    await connect(address)
    expect(kept(await waiting).destroyed).toBe(false)
    expect(server.stats()).toMatchObject({ open: 2, admitted: 3, rejected: { limit: 2 } })
  })

  test('closes clients beyond maxConnectionsPerSecond', async () => {
    const { server, address } = await serve({ maxConnectionsPerSecond: 1 })
    const waiting = server.accept()
    const clients = await Promise.all([connect(address), connect(address), connect(address)])
    kept(await waiting)
    const next = server.accept().catch(() => undefined)
    await eventually(() => {
      const { admitted, rejected } = server.stats()
      return admitted + rejected.rate === 3
    })
    const { admitted, rejected } = server.stats()
    expect(rejected.rate).toBeGreaterThan(0)
    server.close()
    await next
    for (const client of clients) client.resume()
    await eventually(() => clients.filter(({ closed }) => closed).length >= 3 - admitted)
  })

  test('closes clients beyond maxConnectionsPerUser, and counts those that leave', async () => {
    const { server, address } = await serve({ maxConnectionsPerUser: 1 })
    const { accepted } = await pair(server, address)
    const waiting = server.accept()
    await turnedAway(await connect(address))
    expect(server.stats()).toMatchObject({ open: 1, rejected: { user: 1 } })
    accepted.destroy()
    await eventually(() => server.stats().open === 0)
    await connect(address)
    kept(await waiting)
    expect(server.stats()).toMatchObject({ open: 1, admitted: 2, rejected: { user: 1 } })
  })

  test('closes a connection over which nothing goes, and says why to whoever waits', async () => {
    const { server, address } = await serve({ idleTimeout: 16 })
    const { client, accepted } = await pair(server, address)
    accepted.removeAllListeners('error') // it would end the process if it came as an event
    const receiving = accepted.receive()
    await expect(receiving).rejects.toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
    await turnedAway(client)
    expect(server.stats()).toMatchObject({ open: 0, rejected: { idle: 1 } })
  })

  test('tells listeners of errors that nothing went', async () => {
    const { server, address } = await serve({ idleTimeout: 16 })
    const { accepted } = await pair(server, address)
    const [error] = (await once(accepted.resume(), 'error')) as [Error]
    expect(error).toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
  })

  test('leaves a connection open while bytes go, in whatever direction, and until it is accepted', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const { server, address } = await serve({ idleTimeout: 800 })
    const { client, accepted } = await pair(server, address)
    for (let i = 0; i < 4; i++) {
      vi.advanceTimersByTime(700)
      await client.send(Buffer.from('x'))
      await accepted.receive()
      vi.advanceTimersByTime(700)
      await accepted.send(Buffer.from('y'))
      await client.receive()
      // A pipe tells its writer later than its reader, and no real time passes here.
      await eventually(() => accepted.bytesWritten === i + 1)
    }
    expect(accepted.destroyed).toBe(false)
    vi.advanceTimersByTime(1000)
    expect(accepted.destroyed).toBe(true)
    expect(vi.getTimerCount()).toBe(0) // nobody is left to look at
    expect(server.stats().rejected.idle).toBe(1)
  })

  test('counts the bytes of open and of closed connections', async () => {
    const { server, address } = await serve()
    const { client, accepted } = await pair(server, address)
    const other = await pair(server, address)
    await client.send(Buffer.alloc(3))
    await accepted.receive()
    await other.accepted.send(Buffer.alloc(5))
    expect(server.stats()).toMatchObject({ bytesRead: 3, bytesWritten: 5 })
    accepted.destroy()
    await eventually(() => server.stats().open === 1)
    expect(server.stats()).toMatchObject({ bytesRead: 3, bytesWritten: 5 })
  })

  test('says how it is', async () => {
    const { server, address } = await serve()
    expect(server.health()).toEqual({ listening: true, connections: 0, lastError: undefined })
    await pair(server, address)
    expect(server.health()).toMatchObject({ listening: true, connections: 1 })
    server.close()
    expect(server.health()).toMatchObject({ listening: false, connections: 1 })
  })
})

test('a connection that was dropped without close makes room', async () => {
  const warnings = caughtWarnings()
  const [, kind] = serverKinds[1]
  const address = kind.address()
  const server = closedAfterTest(await kind.listen(address, { maxConnections: 1 }))
  const drop = async () => {
    const [client] = await Promise.all([kind.connect(address), server.accept()])
    return client
  }
  const first = closedAfterTest(await drop())
  // Not by the counts: a look at a connection keeps it from the collector for the rest of the turn.
  await eventually(() => warnings.length === 1)
  const [second, accepted] = await Promise.all([kind.connect(address), server.accept()])
  for (const one of [first, second, accepted]) closedAfterTest(one)
  expect(server.stats()).toMatchObject({ open: 1, admitted: 2, rejected: { limit: 0 } })
  expect(warnings[0]).toMatchObject({ code: 'SLUICE_FORGOTTEN' })
})

test('a rate is a bucket that holds one second, and is filled by the time that passes', () => {
  const limit = new RateLimit(10, 0)
  let came = 0
  for (; limit.hasRoom(0); came++) limit.take()
  expect(came).toBe(10)
  expect(limit.hasRoom(99)).toBe(false)
  expect(limit.hasRoom(100.001)).toBe(true)
  limit.take()
  expect(limit.hasRoom(100.001)).toBe(false)
  for (came = 0; limit.hasRoom(1e6); came++) limit.take()
  expect(came).toBe(10)
})

test('users that the system does not tell count as one, and the user is not asked for in vain', () => {
  const asked = vi.fn(() => 1)
  const guests = { size: 0, countOf: () => 5, forgetCollected: () => undefined }
  expect(new Limits({}).refusal(guests as never, asked)).toBeUndefined()
  expect(asked).not.toHaveBeenCalled()
  expect(new Limits({ maxConnectionsPerUser: 5 }).refusal(guests as never, () => undefined)).toBe(
    'user',
  )
})

describe('an acceptor of your own', () => {
  function attached(options = {}): { server: Server; events: AcceptorEvents<Connection> } {
    let events: AcceptorEvents<Connection> | undefined
    const acceptor = {
      ...idleAcceptor,
      attach: (given: AcceptorEvents<Connection>) => {
        events = given
      },
    }
    const server = new Server(acceptor, options)
    onTestFinished(() => {
      server.close()
    })
    if (events === undefined) throw new Error('it was not attached')
    return { server, events }
  }

  test('tells of clients that it has turned away itself; no accept fails with it', async () => {
    const { server, events } = attached()
    const accepting = server.accept()
    const error = new Error('nonsense')
    events.refused('handshake', error)
    events.refused('handshake')
    expect(server.stats().rejected).toMatchObject({ handshake: 2, limit: 0 })
    expect(server.health().lastError).toBe(error)
    await turn()
    server.close()
    await expect(accepting).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('can ask whether a client may come in, which changes nothing', () => {
    const { server, events } = attached({ maxConnectionsPerSecond: 1 })
    for (let i = 0; i < 5; i++) expect(events.refuses(() => 1)).toBeUndefined()
    expect(server.stats().rejected.rate).toBe(0)
  })

  test('says whether it can be reached', () => {
    const server = new Server({ ...idleAcceptor, listening: false })
    expect(server.health().listening).toBe(false)
    server.close()
  })
})
