/** Accepting, and giving it up: no client is lost, none is delivered twice, nothing is left. */
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connectNamedPipe, NamedPipeServer, type NamedPipeConnection } from '../../lib/index.js'
import { native } from '../../lib/pipe/native.js'
import { processResources } from '../support/diagnostics.js'
import { replacePipeMethods } from '../support/peer_process.js'
import { onWindows } from '../support/platform.js'
import { connectTo, gone, listen, pipeName, quiet } from '../support/pipes.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const rounds = 10_000

describe.skipIf(!onWindows)('accept', () => {
  test('an aborted one rejects with the reason and takes no client with it', async () => {
    const server = await listen()
    const reason = new Error('enough')
    const stop = new AbortController()
    const accepted = server.accept({ signal: stop.signal })
    stop.abort(reason)
    await expect(accepted).rejects.toBe(reason)
    const client = await connectTo(server)
    const connection = quiet(closedAfterTest(await server.accept()))
    await client.send(Buffer.from('x'))
    expect(String((await connection.receive())?.data)).toBe('x')
  })

  test('a client that connected before the accept was aborted is kept for the next', async () => {
    const server = await listen()
    const stop = new AbortController()
    const accepted = server.accept({ signal: stop.signal })
    const client = await connectTo(server)
    stop.abort()
    await accepted.then(
      () => undefined,
      () => undefined,
    )
    await client.send(Buffer.from('still here'))
    const connection = await accepted.catch(() => server.accept())
    quiet(closedAfterTest(connection))
    expect(String((await connection.receive())?.data)).toBe('still here')
  })

  test('times out', async () => {
    const server = await listen()
    await expect(server.accept({ timeout: 1 })).rejects.toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
  })

  test('rejects when the server is closed, and ends a for await', async () => {
    const server = await listen()
    const accepted = server.accept()
    const loop = (async () => {
      let count = 0
      for await (const connection of server) {
        connection.destroy()
        count++
      }
      return count
    })()
    server.close()
    server.close()
    await expect(accepted).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
    expect(await loop).toBe(0)
    await expect(server.accept()).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('the server closes when its signal aborts, and its accepts reject with the reason', async () => {
    const stop = new AbortController()
    const server = await listen({ signal: stop.signal })
    const accepted = server.accept()
    stop.abort(new Error('over'))
    await expect(accepted).rejects.toThrow('over')
    expect(server.closed).toBe(true)
    await expect(connectNamedPipe(server.address)).rejects.toEqual(
      sluiceError('ENOENT', { win32: 'ERROR_FILE_NOT_FOUND' }),
    )
  })

  test(
    `${String(rounds)} accepts are cancelled while clients connect: each client comes once`,
    { timeout: 600_000 },
    async () => {
      const server = await listen()
      const seen = new Set<number>()
      const receiving: Promise<void>[] = []
      const note = (connection: NamedPipeConnection) => {
        quiet(connection)
        receiving.push(
          connection.receive().then((message) => {
            const id = Number(message?.data)
            expect(seen.has(id)).toBe(false)
            seen.add(id)
            connection.destroy()
          }),
        )
      }
      const resources = () => processResources()
      let before: { handles: number; threads: number } | undefined
      let cancelled = 0
      let clients = 0
      for (let round = 0; round < rounds; round++) {
        const stop = new AbortController()
        const accepted = server.accept({ signal: stop.signal }).then(note, () => cancelled++)
        // Every other round has a client; the abort comes before, during and after its connecting.
        const id = round % 2 === 0 ? clients++ : undefined
        const connecting = id === undefined ? undefined : connectTo(server)
        for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) {
          await new Promise(setImmediate)
        }
        stop.abort()
        await accepted
        const client = await connecting
        if (client !== undefined) {
          await client.send(Buffer.from(String(id)))
          // Without an accept the pool would fill, and the next client wait for ever.
          while (receiving.length < clients) note(await server.accept())
          await receiving.at(-1)
          client.destroy()
          await gone(client)
        }
        if (round === 100) before = resources()
      }
      await Promise.all(receiving)
      expect(seen.size).toBe(clients)
      expect(cancelled).toBeGreaterThan(rounds / 4)
      await eventually(
        () => resources().handles <= (before?.handles ?? 0) + 8,
        () => `handles: ${JSON.stringify([before, resources()])}`,
      )
      expect(resources().threads).toBeLessThanOrEqual(before?.threads ?? 0)
    },
  )

  test(
    `${String(rounds)} clients connect and vanish: the server goes on`,
    { timeout: 600_000 },
    async () => {
      const server = await listen()
      let delivered = 0
      const serving = (async () => {
        for await (const connection of server) {
          quiet(connection).resume()
          delivered++
          connection.once('end', () => connection.destroy())
        }
      })()
      let before = 0
      for (let round = 0; round < rounds; round++) {
        const client = quiet(await connectNamedPipe(server.address))
        client.destroy()
        if (round % 50 === 0) await gone(client)
        if (round === 100) before = processResources().handles
      }
      const last = await connectTo(server)
      await last.send(Buffer.from('x'))
      await eventually(
        () => processResources().handles <= before + 20,
        () => `handles: ${String(before)}, ${String(processResources().handles)}`,
      )
      expect(delivered).toBeGreaterThan(rounds / 2)
      server.close()
      await serving
    },
  )

  test('a client that came and went before anybody looked leaves its instance to the next', async () => {
    const path = `\\\\.\\pipe\\${pipeName()}`
    const Original = native.PipeHandle
    let vanished = 0
    replacePipeMethods((self) => {
      const connect = self.connect.bind(self)
      return {
        connect() {
          // Once for each of the first instances.
          if (vanished < 3) {
            vanished++
            new Original(path, 0x10000).close()
          }
          return connect()
        },
      }
    })
    const server = closedAfterTest(await NamedPipeServer.listen(path, { pendingInstances: 3 }))
    expect(vanished).toBe(3)
    // One client for each instance: none of the instances was lost.
    const clients = await Promise.all([1, 2, 3].map(() => connectTo(server)))
    for (const client of clients) await client.send(Buffer.from('x'))
    for (let i = 0; i < 3; i++) {
      const connection = quiet(closedAfterTest(await server.accept()))
      expect(String((await connection.receive())?.data)).toBe('x')
    }
  })

  test('200 clients at once are all served', async () => {
    const server = await listen({ pendingInstances: 4 })
    const serving = (async () => {
      for await (const connection of server) quiet(connection).pipe(connection)
    })()
    const clients = await Promise.all(Array.from({ length: 200 }, () => connectTo(server)))
    await Promise.all(
      clients.map(async (client, index) => {
        await client.send(Buffer.from(`client ${String(index)}`))
        expect(String((await client.receive())?.data)).toBe(`client ${String(index)}`)
        client.destroy()
        await gone(client)
      }),
    )
    server.close()
    await serving
  })

  test('connecting ends in time while the system looks up who the server is', async () => {
    const server = await listen()
    const accountName = native.accountName.bind(native)
    onTestFinished(() => {
      native.accountName = accountName
    })
    let lookups = 0
    const open = new Set<unknown>()
    native.accountName = (sid) => {
      if (!sid.startsWith('S-1-5-21-1-2-3-')) return accountName(sid)
      lookups++
      return new Promise(() => undefined)
    }
    replacePipeMethods((handle) => {
      const close = handle.close.bind(handle)
      return {
        owner: () => {
          open.add(handle)
          return `S-1-5-21-1-2-3-${String(lookups)}`
        },
        close: () => {
          open.delete(handle)
          return close()
        },
      }
    })
    const options = { server: 'any' } as const
    await expect(connectNamedPipe(server.address, { ...options, timeout: 10 })).rejects.toEqual(
      sluiceError('ERR_SLUICE_TIMEOUT'),
    )
    const controller = new AbortController()
    const connecting = connectNamedPipe(server.address, { ...options, signal: controller.signal })
    expect([lookups, open.size]).toEqual([2, 1])
    controller.abort('enough')
    await expect(connecting).rejects.toBe('enough')
    expect(open.size).toBe(0)
  })

  test('a client that finds all instances busy waits for one, up to its deadline', async () => {
    const server = await listen({ maxInstances: 1, pendingInstances: 1 })
    const first = await connectTo(server)
    const accepted = await server.accept()
    await expect(connectNamedPipe(server.address, { timeout: 30 })).rejects.toEqual(
      sluiceError('ERR_SLUICE_TIMEOUT'),
    )
    const stop = new AbortController()
    const aborted = connectNamedPipe(server.address, { signal: stop.signal })
    stop.abort(new Error('no'))
    await expect(aborted).rejects.toThrow('no')
    const waiting = connectTo(server)
    quiet(accepted).destroy()
    first.destroy()
    const second = await waiting
    await server.accept().then((connection) => closedAfterTest(quiet(connection)))
    expect(second.destroyed).toBe(false)
  })

  test('a server that goes away while a client waits', async () => {
    const server = await listen({ maxInstances: 1, pendingInstances: 1 })
    const first = await connectTo(server)
    const accepted = quiet(await server.accept())
    const waiting = connectNamedPipe(server.address)
    server.close()
    accepted.destroy()
    first.destroy()
    await expect(waiting).rejects.toEqual(
      sluiceError('ENOENT', {
        win32: 'ERROR_FILE_NOT_FOUND',
        syscall: 'CreateFile',
        address: server.address,
      }),
    )
  })

  test('connections that nobody has accepted are closed with the server', async () => {
    const server = await listen()
    const client = await connectTo(server)
    server.close()
    expect(await client.receive()).toBeUndefined()
  })

  test('the name is free as soon as close returns, 1,000 times', { timeout: 300_000 }, async () => {
    const name = pipeName()
    // Each takes all the instances that there can be of the name: one that is left over would be
    // found by the next client, or be in the next server's way.
    const options = { maxInstances: 8, pendingInstances: 8 }
    for (let round = 0; round < 1000; round++) {
      const server = await NamedPipeServer.listen(name, options)
      // In some rounds the server is closed while it asks who its client is.
      const client = round % 2 === 0 ? await connectNamedPipe(name) : undefined
      if (round % 4 === 0) await new Promise(setImmediate)
      server.close()
      await expect(connectNamedPipe(name)).rejects.toEqual(
        sluiceError('ENOENT', { win32: 'ERROR_FILE_NOT_FOUND' }),
      )
      client?.destroy()
    }
  })

  test('a server listens again in the turn in which it was closed', async () => {
    const name = pipeName()
    for (let round = 0; round < 1000; round++) {
      const server = await NamedPipeServer.listen(name, { maxInstances: 4, pendingInstances: 4 })
      server.close()
    }
    const server = closedAfterTest(await NamedPipeServer.listen(name))
    const client = await connectTo(server)
    await client.send(Buffer.from('x'))
    const connection = quiet(closedAfterTest(await server.accept()))
    expect(String((await connection.receive())?.data)).toBe('x')
  })

  test('an open server keeps the process alive unless it is unref-ed', async () => {
    const server = await listen()
    server.unref().ref().unref()
    const client = connectTo(server)
    const accepted = await server.accept()
    accepted.unref().ref()
    const end = once(quiet(accepted).resume(), 'close')
    ;(await client).destroy()
    await end
  })
})
