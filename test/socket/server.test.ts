import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'

import {
  allow,
  connectUnix,
  UnixConnection,
  UnixServer,
  type PeerCredentials,
} from '../../lib/index.js'
import { UnixAcceptor } from '../../lib/socket/unix_acceptor.js'
import { Child } from '../support/child.js'
import { eventually, openDescriptors, noMoreDescriptorsThan } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { abstractName, listening, socketPath } from '../support/sockets.js'
import { caughtWarnings } from '../support/warnings.js'

async function connectTo(server: { address: string }): Promise<UnixConnection> {
  return closedAfterTest(await connectUnix(server.address))
}

describe('accept', () => {
  test('gives the connections in the order in which they came', async () => {
    const server = await listening()
    for (let i = 0; i < 5; i++) (await connectTo(server)).write(String(i))
    for (let i = 0; i < 5; i++) {
      const connection = closedAfterTest(await server.accept())
      expect((await connection.receive())?.data.toString()).toBe(String(i))
    }
  })

  test('accepts that wait are served in their order', async () => {
    const server = await listening()
    const order: number[] = []
    const accepts = [0, 1, 2].map(async (i) => {
      closedAfterTest(await server.accept())
      order.push(i)
    })
    for (let i = 0; i < 3; i++) await connectTo(server)
    await Promise.all(accepts)
    expect(order).toEqual([0, 1, 2])
  })

  test('is cancelled by its signal with the reason', async () => {
    const server = await listening()
    const controller = new AbortController()
    const accept = server.accept({ signal: controller.signal })
    const reason = new Error('no longer')
    controller.abort(reason)
    await expect(accept).rejects.toBe(reason)
    await expect(server.accept({ signal: controller.signal })).rejects.toBe(reason)
  })

  test('is cancelled by its time', async () => {
    const server = await listening()
    await expect(server.accept({ timeout: 5 })).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
  })

  test('keeps a connection whose accept was cancelled for the next', async () => {
    const server = await listening()
    const controller = new AbortController()
    const cancelled = server.accept({ signal: controller.signal })
    const client = await connectTo(server)
    controller.abort()
    await expect(cancelled).rejects.toThrow()
    const connection = closedAfterTest(await server.accept())
    client.write('x')
    expect((await connection.receive())?.data.toString()).toBe('x')
  })

  test('is bounded', async () => {
    const server = await listening()
    const accepts = Array.from({ length: 1024 }, () => server.accept())
    for (const accept of accepts) accept.catch(() => undefined)
    await expect(server.accept()).rejects.toThrow(sluiceError('ERR_SLUICE_QUEUE_FULL'))
  })

  test('fails when the server is closed, before and after', async () => {
    const server = await listening()
    const accept = server.accept()
    server.close()
    await expect(accept).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    await expect(server.accept()).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(() => server.fd).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('takes a client that has gone already, which then is at its end', async () => {
    const server = await listening()
    const client = await connectTo(server)
    client.write('last words')
    client.destroy()
    const connection = closedAfterTest(await server.accept())
    expect((await connection.receive())?.data.toString()).toBe('last words')
    expect(await connection.receive()).toBeUndefined()
  })

  test('1,000 connections at once are all there and all work', async () => {
    const server = await listening()
    const serving = (async () => {
      for await (const connection of server) connection.pipe(connection)
    })()
    const clients = await Promise.all(Array.from({ length: 1000 }, () => connectTo(server)))
    const answers = clients.map(async (client, i) => {
      client.write(String(i))
      return ((await once(client, 'data')) as [Buffer])[0].toString()
    })
    expect(await Promise.all(answers)).toEqual(clients.map((_, i) => String(i)))
    for (const client of clients) client.destroy()
    server.close()
    await serving
  })

  test('waits in connect while the backlog is full', async () => {
    const server = await listening({ backlog: 1 })
    const connects = Array.from({ length: 10 }, () => connectTo(server))
    await turn()
    for (let i = 0; i < 10; i++) closedAfterTest(await server.accept())
    await Promise.all(connects)
  })

  test('a connect that waits for the backlog is cancelled by signal and time', async () => {
    const server = await listening({ backlog: 1 })
    const before = openDescriptors()
    const fill: UnixConnection[] = []
    for (;;) {
      try {
        fill.push(await connectUnix(server.address, { timeout: 20 }))
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_SLUICE_TIMEOUT' })
        break
      }
    }
    const controller = new AbortController()
    const connect = connectUnix(server.address, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(connect).rejects.toThrow('enough')
    for (const connection of fill) connection.destroy()
    await noMoreDescriptorsThan(before)
  })
})

describe('a server', () => {
  test('ends its iteration when it is closed', async () => {
    const server = await listening()
    const seen: UnixConnection[] = []
    const serving = (async () => {
      for await (const connection of server) {
        seen.push(closedAfterTest(connection))
        if (seen.length === 2) server.close()
      }
    })()
    await connectTo(server)
    await connectTo(server)
    await serving
    expect(seen).toHaveLength(2)
  })

  test('ends quietly when it is closed while the iteration waits', async () => {
    const server = await listening()
    const serving = (async () => {
      for await (const connection of server) connection.destroy()
      return 'ended'
    })()
    await turn()
    server.close()
    expect(await serving).toBe('ended')
  })

  test('is closed by its signal', async () => {
    const controller = new AbortController()
    const server = await listening({ signal: controller.signal })
    const accept = server.accept()
    controller.abort(new Error('over'))
    await expect(accept).rejects.toThrow('over')
    expect(server.closed).toBe(true)
    expect(existsSync(server.address)).toBe(false)
    await expect(UnixServer.listen(socketPath(), { signal: controller.signal })).rejects.toThrow(
      'over',
    )
  })

  test('closes connections that nobody accepted, and leaves the others alone', async () => {
    const server = await listening()
    const first = await connectTo(server)
    const accepted = closedAfterTest(await server.accept())
    const second = await connectTo(server)
    server.close()
    await expect(second.receive())
      .resolves.toBeUndefined()
      .catch(() => undefined)
    first.write('x')
    expect((await accepted.receive())?.data.toString()).toBe('x')
  })

  test('adopts a listening descriptor, which stays the giver’s', async () => {
    const server = await listening()
    const twin = closedAfterTest(await UnixServer.listen({ fd: server.fd }))
    expect(twin.address).toBe(server.address)
    expect(twin.fd).not.toBe(server.fd)
    const client = await connectTo(server)
    client.write('x')
    const connection = closedAfterTest(await twin.accept())
    expect((await connection.receive())?.data.toString()).toBe('x')
    twin.close()
    expect(existsSync(server.address)).toBe(true)
    await connectTo(server)
    closedAfterTest(await server.accept())
  })

  test.each(['idle', 'accepting'])(
    'whose socket somebody else shuts down fails its accepts, and is not told for ever: %s',
    async (state) => {
      const server = await listening()
      const accepting = state === 'accepting' ? server.accept() : undefined
      accepting?.catch(() => undefined)
      const script = 'import socket; socket.socket(fileno=3).shutdown(socket.SHUT_RDWR)'
      const stdio = ['ignore', 'ignore', 'inherit', server.fd] as const
      expect(spawnSync('python3', ['-c', script], { stdio: [...stdio] }).status).toBe(0)
      const told = vi.spyOn(UnixAcceptor.prototype, 'notify')
      for (let i = 0; i < 1000; i++) await turn()
      expect(told.mock.calls.length).toBeLessThan(10)
      told.mockRestore()
      if (accepting !== undefined) await expect(accepting).rejects.toThrow(sluiceError('EINVAL'))
      await Promise.all(
        [server.accept(), server.accept()].map((accept) =>
          expect(accept).rejects.toThrow(sluiceError('EINVAL')),
        ),
      )
      server.close()
      await expect(server.accept()).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    },
  )

  test('cuts many connections off in several turns of the loop', async () => {
    const server = await listening()
    let turns = 0
    const inTurns = new Set<number>()
    const kept: UnixConnection[] = [] // what nobody holds may be collected, and is closed then
    for (let i = 0; i < 600; i++) {
      const [accepted, client] = await Promise.all([server.accept(), connectTo(server)])
      kept.push(accepted, client)
      accepted.on('error', () => undefined)
      const destroy = accepted.destroy.bind(accepted)
      accepted.destroy = (error?: Error) => {
        inTurns.add(turns)
        return destroy(error)
      }
    }
    const count = () => {
      turns++
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    expect(await server.shutdown({ timeout: 0 })).toEqual({ finished: 0, cutOff: 600 })
    clearImmediate(counting)
    expect(inTurns.size).toBeGreaterThan(1)
    for (const connection of kept) connection.destroy()
  })

  test('leave() closes and leaves the path to a successor', async () => {
    const server = await listening()
    const successor = closedAfterTest(await UnixServer.listen({ fd: server.fd }))
    server.leave()
    expect(server.closed).toBe(true)
    await connectTo(server)
    closedAfterTest(await successor.accept())
  })

  test('Symbol.dispose closes', async () => {
    const server = await listening()
    server[Symbol.dispose]()
    server.close()
    expect(server.closed).toBe(true)
  })

  test.each(['ref', 'unref'])('%s decides whether it keeps the process alive', async (how) => {
    const path = socketPath()
    const child = new Child('listening_server.mjs', [path, how])
    expect(await child.next()).toBe('listening')
    if (how === 'ref') {
      child.hangUp()
      expect(await child.next()).toBe('alone')
      closedAfterTest(await connectUnix(path))
      expect(await child.next()).toBe('still here')
    }
    await child.finish()
  })
})

describe('authorize', () => {
  test('lets in whom it says, and closes the others before a byte is read', async () => {
    let admit = false
    const authorize = vi.fn<(peer: PeerCredentials) => boolean>(() => admit)
    const server = await listening({ authorize })
    const refused = await connectTo(server)
    refused.on('error', () => undefined)
    refused.write('never read')
    const accept = server.accept()
    // With bytes that were never read, the kernel tells the client of a reset.
    await new Promise((resolve) => refused.resume().once('close', resolve))
    admit = true
    const client = await connectTo(server)
    const connection = closedAfterTest(await accept)
    client.write('hello')
    expect((await connection.receive())?.data.toString()).toBe('hello')
    expect(authorize).toHaveBeenCalledTimes(2)
    expect(authorize.mock.calls[0]?.[0]).toMatchObject({
      pid: process.pid,
      uid: process.getuid?.(),
    })
  })

  test('may decide later; the others do not wait for it', async () => {
    const decisions: ((admitted: boolean) => void)[] = []
    const server = await listening({
      authorize: () => new Promise<boolean>((resolve) => decisions.push(resolve)),
    })
    const slow = await connectTo(server)
    const fast = await connectTo(server)
    const accept = server.accept()
    await eventually(() => decisions.length === 2)
    decisions[1]?.(true)
    fast.write('fast')
    const first = closedAfterTest(await accept)
    expect((await first.receive())?.data.toString()).toBe('fast')
    const next = server.accept()
    decisions[0]?.(true)
    slow.write('slow')
    expect((await closedAfterTest(await next).receive())?.data.toString()).toBe('slow')
  })

  test('that throws or rejects refuses, and says so in a warning', async () => {
    const warnings = caughtWarnings()
    let how: () => boolean | Promise<boolean> = () => {
      throw new Error('broken')
    }
    const server = await listening({ authorize: () => how() })
    const accept = server.accept()
    const first = await connectTo(server)
    expect(await first.receive()).toBeUndefined()
    how = () => Promise.reject(new Error('broken too'))
    const second = await connectTo(server)
    expect(await second.receive()).toBeUndefined()
    how = () => true
    await connectTo(server)
    closedAfterTest(await accept)
    await turn()
    expect(warnings.map(({ code }) => code)).toEqual([
      'SLUICE_AUTHORIZE_FAILED',
      'SLUICE_AUTHORIZE_FAILED',
    ])
  })

  test('connections that are undecided are closed with the server', async () => {
    const before = openDescriptors()
    const server = await listening({ authorize: () => new Promise<boolean>(() => undefined) })
    server.accept().catch(() => undefined)
    const client = await connectTo(server)
    await turn()
    server.close()
    expect(await client.receive().catch(() => undefined)).toBeUndefined()
    client.destroy()
    await noMoreDescriptorsThan(before)
  })

  test('allow() lets in by user and by group', () => {
    const peer = (more: object) =>
      ({ uid: 1, gid: 2, groups: [3], sameUser: false, ...more }) as never
    expect(allow({ sameUser: true })(peer({ sameUser: true }))).toBe(true)
    expect(allow({ sameUser: true })(peer({}))).toBe(false)
    expect(allow({ uids: [1] })(peer({}))).toBe(true)
    expect(allow({ uids: [2] })(peer({}))).toBe(false)
    expect(allow({ gids: [2] })(peer({}))).toBe(true)
    expect(allow({ gids: [3] })(peer({}))).toBe(true)
    expect(allow({ gids: [3] })(peer({ groups: undefined }))).toBe(false)
    const script = `import grp, pwd
gid = pwd.getpwnam('nobody').pw_gid
print(grp.getgrgid(gid).gr_name, gid)`
    const answer = execFileSync('python3', ['-c', script], { encoding: 'utf8' })
    const [group = '', gid] = answer.trim().split(' ')
    expect(allow({ groups: [group] })(peer({ gid: Number(gid) }))).toBe(true)
    expect(allow({ groups: [group] })(peer({}))).toBe(false)
  })

  test('allow() names what is wrong', () => {
    const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => allow({})).toThrow(wrong)
    expect(() => allow({ groups: ['no-such-group-at-all'] })).toThrow(/no-such-group-at-all/)
    expect(() => allow({ uids: [-1] })).toThrow(wrong)
    expect(() => allow({ uids: 5 as never })).toThrow(wrong)
    expect(() => allow({ sameuser: true } as never)).toThrow(/sameuser/)
  })

  test('listening on an abstract name without it warns, once', async () => {
    const warnings = caughtWarnings()
    await listening({}, abstractName())
    await listening({}, abstractName())
    await listening({ authorize: allow({ sameUser: true }) }, abstractName())
    await turn()
    const codes = warnings.map(({ code }) => code)
    expect(codes).toEqual(['SLUICE_OPEN_TO_ALL'])
  })
})
