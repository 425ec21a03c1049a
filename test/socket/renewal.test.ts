/** A server whose path is taken away, and clients that are none: the server goes on. */
import { existsSync, rmSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'

import { connectUnix, UnixServer, type UnixConnection } from '../../lib/index.js'
import { temporaryFolder } from '../support/folder.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { listening, socketPath } from '../support/sockets.js'
import { eventually } from '../support/resources.js'
import { uncaughtExceptions } from '../support/uncaught.js'
import { caughtWarnings } from '../support/warnings.js'

function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

async function talk(server: UnixServer, path: string): Promise<void> {
  const [client, accepted] = await Promise.all([connectUnix(path), server.accept()])
  await client.send(Buffer.from('x'))
  expect(String((await accepted.receive())?.data)).toBe('x')
  client.destroy()
  accepted.destroy()
}

describe('a path that was removed under its server', () => {
  test('is told by health, and stays so without renew', async () => {
    fakeTime()
    const server = await listening()
    expect(server.health()).toEqual({ listening: true, connections: 0, lastError: undefined })
    unlinkSync(server.address)
    expect(server.health().listening).toBe(false)
    vi.advanceTimersByTime(100_000)
    expect(server.health().listening).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is bound again within a second', async () => {
    fakeTime()
    const server = await listening({ renew: true })
    unlinkSync(server.address)
    vi.advanceTimersByTime(1000)
    expect(existsSync(server.address)).toBe(true)
    expect(existsSync(`${server.address}.lock`)).toBe(true)
    expect(server.isNamed).toBe(true)
    expect(server.health()).toMatchObject({ listening: true, lastError: undefined })
    await talk(server, server.address)
    server.close()
    expect(existsSync(server.address)).toBe(false)
    expect(existsSync(`${server.address}.lock`)).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is bound again by health, also with its lock gone, again and again', async () => {
    fakeTime()
    const server = await listening({ renew: true })
    for (let i = 0; i < 5; i++) {
      unlinkSync(server.address)
      rmSync(`${server.address}.lock`, { force: true })
      expect(server.health().listening).toBe(true)
      await talk(server, server.address)
      // Not more often than once a second.
      unlinkSync(server.address)
      expect(server.health().listening).toBe(false)
      vi.advanceTimersByTime(1000)
      expect(server.health().listening).toBe(true)
      vi.advanceTimersByTime(1000)
    }
  })

  test('is bound again with its folder, if that may be made', async () => {
    fakeTime()
    const folder = join(temporaryFolder(), 'deeper')
    const server = closedAfterTest(
      await UnixServer.listen(join(folder, 's'), { renew: true, makeDirectory: 0o700 }),
    )
    rmSync(folder, { recursive: true })
    vi.advanceTimersByTime(1000)
    await talk(server, join(folder, 's'))
  })

  test('loses no client that had connected before, nor one that accept waits for', async () => {
    fakeTime()
    const server = await listening({ renew: true })
    const early: UnixConnection[] = []
    for (let i = 0; i < 40; i++) early.push(closedAfterTest(await connectUnix(server.address)))
    unlinkSync(server.address)
    vi.advanceTimersByTime(1000)
    const late = closedAfterTest(await connectUnix(server.address))
    const all = [...early, late]
    for (const [i, client] of all.entries()) await client.send(Buffer.from(String(i)))
    const seen = new Set<string>()
    for (const _ of all) {
      const accepted = closedAfterTest(await server.accept())
      seen.add(String((await accepted.receive())?.data))
    }
    expect(seen.size).toBe(all.length)
    const waiting = server.accept()
    unlinkSync(server.address)
    vi.advanceTimersByTime(1000)
    closedAfterTest(await connectUnix(server.address))
    closedAfterTest(await waiting)
  })

  test('is left to another server that has it, and taken when that has gone', async () => {
    fakeTime()
    const warnings = caughtWarnings()
    const server = await listening({ renew: true })
    const path = server.address
    unlinkSync(path)
    rmSync(`${path}.lock`)
    const other = closedAfterTest(await UnixServer.listen(path, { removeStale: false }))
    expect(server.health()).toMatchObject({
      listening: false,
      lastError: { code: 'EADDRINUSE', syscall: 'bind' },
    })
    vi.advanceTimersByTime(5000)
    expect(server.health().listening).toBe(false)
    expect(other.isNamed).toBe(true)
    other.close()
    vi.advanceTimersByTime(60_000)
    expect(server.health().listening).toBe(true)
    await talk(server, path)
    await turn()
    expect(warnings).toHaveLength(1)
  })

  test('cannot be renewed where there is none', async () => {
    const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => UnixServer.listen('@name', { renew: true })).toThrow(wrong)
    expect(() => UnixServer.listen(socketPath(), { renew: 1 as never })).toThrow(wrong)
    const server = await listening()
    expect(() => UnixServer.listen({ fd: server.fd }, { renew: true })).toThrow(wrong)
    expect(dirname(server.address)).not.toBe('')
  })
})

describe('bad clients', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('end neither the iteration of a server nor the process, although nobody listens to errors', async () => {
    const uncaught = uncaughtExceptions()
    caughtWarnings()
    let calls = 0
    const server = await listening({
      idleTimeout: 20,
      authorizeTimeout: 20,
      maxConnections: 20,
      authorize: () => {
        calls++
        if (calls % 5 === 0) throw new Error('broken')
        return calls % 5 === 1 ? new Promise<boolean>(() => undefined) : true
      },
    })
    let served = 0
    const serving = (async () => {
      for await (const connection of server) {
        served++
        // By messages, whose promises tell of failures: nobody listens to an event.
        connection.send(Buffer.alloc(100_000)).catch(() => undefined)
        connection.receive().catch(() => undefined)
      }
    })()
    for (let i = 0; i < 60; i++) {
      const client = closedAfterTest(await connectUnix(server.address))
      client.on('error', () => undefined)
      if (i % 3 === 0) client.destroy()
      else if (i % 3 === 1) await client.send(Buffer.from('x')).catch(() => undefined)
      if (i % 3 === 1) client.destroy() // with bytes unread at both ends
    }
    // Clients connect before the server has had a turn: none is open then, either.
    await eventually(() => calls > 0 && server.stats().open === 0)
    const { admitted, rejected } = server.stats()
    expect(served).toBe(admitted)
    expect(rejected.authorize).toBeGreaterThan(0)
    await turn()
    expect(uncaught).toEqual([])
    server.close()
    await serving
  })
})
