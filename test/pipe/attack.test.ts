/** Peers that do not play along, and a system that has nothing more to give. */
import { once } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { connectNamedPipe, SharedMemory, SluiceError, type SystemHandle } from '../../lib/index.js'
import { native } from '../../lib/pipe/native.js'
import { processResources } from '../support/diagnostics.js'
import { Child } from '../support/child.js'
import { peerIsProcess } from '../support/peer_process.js'
import { onWindows } from '../support/platform.js'
import { connectTo, gone, listen, pipeName, pipePair, quiet } from '../support/pipes.js'
import { collectGarbage, eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { uncaughtExceptions } from '../support/uncaught.js'

describe.skipIf(!onWindows)('a peer that never reads', () => {
  test.each([
    ['server', 'byte'],
    ['server', 'message'],
    ['client', 'byte'],
    ['client', 'message'],
  ] as const)(
    'cannot hold up the end of the %s beyond endTimeout, mode %s',
    async (which, mode) => {
      const [server, client] = await pipePair({ mode, endTimeout: 30 }, { mode, endTimeout: 30 })
      const ending = which === 'server' ? server : client
      const failed = once(ending, 'error') as Promise<[SluiceError]>
      ending.end(Buffer.alloc(10_000_000))
      expect((await failed)[0]).toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
      await gone(ending)
    },
  )

  test('endTimeout begins again with all that a slow reader takes', async () => {
    const [server, client] = await pipePair({ endTimeout: 30_000 })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let length = 0
    client.on('data', (data: Buffer) => (length += data.length))
    const ended = once(client, 'end')
    server.end(Buffer.alloc(8 * 2 ** 20))
    while (!server.writableFinished) {
      const written = server.bytesWritten
      client.resume()
      await eventually(() => server.bytesWritten > written || server.writableFinished)
      client.pause()
      vi.advanceTimersByTime(20_000)
    }
    expect(server.errored).toBeNull()
    client.resume()
    await ended
    expect(length).toBe(8 * 2 ** 20)
  })

  test('with endTimeout 0 the end waits for it', async () => {
    const [server, client] = await pipePair({ endTimeout: 0 })
    server.end(Buffer.alloc(10_000_000))
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    expect(server.destroyed).toBe(false)
    let length = 0
    client.on('data', (data: Buffer) => (length += data.length))
    await once(client, 'end')
    expect(length).toBe(10_000_000)
  })

  test('cannot keep a process from ending', async () => {
    const name = pipeName()
    const child = new Child('pipe_ending.mjs', [name, 50])
    await child.next()
    quiet(closedAfterTest(await connectNamedPipe(name)))
    expect(await child.next()).toBe('ERR_SLUICE_TIMEOUT')
    await child.finish()
  })

  test('and a ref that comes after the end cannot do so either', async () => {
    await new Child('pipe_ref.mjs', [pipeName()]).finish()
  })

  test('costs the server bounded memory', async () => {
    const [server, client] = await pipePair()
    const chunk = Buffer.alloc(65536)
    collectGarbage()
    const before = process.memoryUsage()
    const writing = (async () => {
      for (let i = 0; i < 500; i++) if (!server.write(chunk)) await once(server, 'drain')
      server.end()
    })()
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    collectGarbage()
    const after = process.memoryUsage()
    expect(
      after.external + after.arrayBuffers - before.external - before.arrayBuffers,
    ).toBeLessThan(4 * 2 ** 20)
    client.resume()
    await writing
  })
})

describe.skipIf(!onWindows)('clients', () => {
  test('that nobody accepts are as many as pendingInstances, and the rest waits', async () => {
    const server = await listen({ pendingInstances: 4 })
    let connected = 0
    const clients = Array.from({ length: 20 }, async () => {
      const client = await connectTo(server)
      connected++
      return client
    })
    await eventually(() => connected >= 4)
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    expect(connected).toBe(4)
    for (let i = 0; i < 20; i++) quiet(closedAfterTest(await server.accept()))
    await Promise.all(clients)
    expect(connected).toBe(20)
  })

  test(
    '2,000 connects are cancelled at any moment: nothing is left',
    { timeout: 120_000 },
    async () => {
      const server = await listen({ maxInstances: 2, pendingInstances: 2 })
      const serving = (async () => {
        for await (const connection of server) {
          quiet(connection).resume()
          connection.once('end', () => connection.destroy())
        }
      })()
      let before = 0
      for (let round = 0; round < 2000; round++) {
        const stops = [new AbortController(), new AbortController(), new AbortController()]
        const connecting = stops.map(({ signal }) =>
          connectNamedPipe(server.address, { signal }).then(
            (connection) => quiet(connection).destroy(),
            () => undefined,
          ),
        )
        for (let turns = Math.floor(Math.random() * 3); turns > 0; turns--) {
          await new Promise(setImmediate)
        }
        for (const stop of stops) stop.abort()
        await Promise.all(connecting)
        if (round === 100) before = processResources().handles
      }
      await eventually(
        () => processResources().handles <= before + 8,
        () => `handles: ${String(before)}, ${String(processResources().handles)}`,
      )
      server.close()
      await serving
    },
  )
})

describe.skipIf(!onWindows)('a system that has nothing more to give', () => {
  test('for a while: the server is there again afterwards', async () => {
    const server = await listen({ pendingInstances: 1 })
    const Original = native.PipeHandle
    onTestFinished(() => {
      native.PipeHandle = Original
    })
    const client = connectNamedPipe(server.address)
    let refused = 0
    native.PipeHandle = new Proxy(Original, {
      construct(target, args) {
        // Instances, not clients.
        if (typeof args[1] === 'number') return Reflect.construct(target, args) as object
        refused++
        throw native.systemError('CreateNamedPipe', 1450, 'cannot listen on', '')
      },
    })
    const accepted = quiet(closedAfterTest(await server.accept()))
    quiet(closedAfterTest(await client))
    expect(refused).toBeGreaterThan(0)
    native.PipeHandle = Original
    // It tries again by itself, so this client waits for no longer than that.
    const another = quiet(closedAfterTest(await connectNamedPipe(server.address)))
    expect(another.destroyed).toBe(false)
    accepted.destroy()
  })
})

describe.skipIf(!onWindows)('a listener that throws', () => {
  const mine = new Error('of a listener')
  const thrower = () => {
    throw mine
  }

  test('costs no other connection what came at the same time, and its own no more than that', async () => {
    const uncaught = uncaughtExceptions()
    const [one, others] = [await pipePair(), [await pipePair(), await pipePair()]]
    const seen: string[] = []
    one[0].once('data', thrower).on('end', () => seen.push('end'))
    for (const [server] of others) server.on('data', (data: Buffer) => seen.push(String(data)))
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
    // In one turn, so that the completions come in few batches.
    const sent = [one, ...others].map(([, client]) => client.send(Buffer.from('x')))
    await Promise.all(sent)
    await eventually(() => seen.length === 2)
    one[0].on('data', (data: Buffer) => seen.push(String(data)))
    one[1].end('y')
    await eventually(() => seen.length === 4)
    expect(seen).toEqual(['x', 'x', 'y', 'end'])
    expect(uncaught).toEqual([mine])
  })

  test("of 'handles' does not keep their message back", async () => {
    const uncaught = uncaughtExceptions()
    peerIsProcess(() => process.pid)
    const options = { mode: 'message', handles: true } as const
    const [server, client] = await pipePair(options, options)
    server.on('handles', (handles: SystemHandle[]) => {
      for (const handle of handles) handle.close()
      throw mine
    })
    const read = once(server, 'data')
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
    await client.send(Buffer.from('x'), { handles: [memory] })
    expect(String(((await read) as [Buffer])[0])).toBe('x')
    expect(uncaught).toEqual([mine])
  })
})

const settled = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    () => undefined,
  )

describe.skipIf(!onWindows)('in any order', () => {
  test(
    '2,000 random calls on a pair: promises settle, and nothing is left',
    { timeout: 120_000 },
    async () => {
      const modes = ['byte', 'message'] as const
      const servers = await Promise.all(modes.map((mode) => listen({ mode, endTimeout: 20 })))
      const { handles } = processResources()
      for (let round = 0; round < 200; round++) {
        const server = servers[round % 2]
        const client = connectNamedPipe(server.address, { mode: server.mode, endTimeout: 20 })
        const pair = [quiet(await server.accept()), quiet(await client)] as const
        const promises: Promise<unknown>[] = []
        for (let step = 0; step < 10; step++) {
          const end = pair[Math.floor(Math.random() * 2) as 0 | 1]
          const length = 1 + Math.floor(Math.random() * 200_000)
          const calls: (() => unknown)[] = [
            () => promises.push(settled(end.receive({ timeout: 50 }))),
            () => promises.push(settled(end.send(Buffer.alloc(length), { timeout: 50 }))),
            () => end.write('x'),
            () => end.end(),
            () => end.resume(),
            () => end.pause(),
            () => end.destroy(),
            () => end.unref().ref(),
            () => end.setTimeout(1),
            () => new Promise(setImmediate),
          ]
          await calls[Math.floor(Math.random() * calls.length)]?.()
        }
        await Promise.all(promises)
        for (const end of pair) end.destroy()
        await Promise.all(pair.map(gone))
      }
      await eventually(() => processResources().handles <= handles + 8)
    },
  )
})
