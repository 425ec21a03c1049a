/** Cases that others who made pipes found worth a test, beside those of the other files. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'

import { connectNamedPipe, NamedPipeServer, type SluiceError } from '../../lib/index.js'
import { onWindows } from '../support/platform.js'
import { allOf, connectTo, gone, listen, pipeName, pipePair, quiet } from '../support/pipes.js'
import { closedAfterTest, sluiceError, systemFailure } from '../support/rings.js'

describe.skipIf(!onWindows)('connecting', () => {
  test('to a busy pipe ends when a signal with a time says so', async () => {
    const server = await listen({ maxInstances: 1, pendingInstances: 1 })
    await connectTo(server)
    await expect(
      connectNamedPipe(server.address, { signal: AbortSignal.timeout(10) }),
    ).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }) as Error)
  })

  test('while the server comes and goes: it connects or finds no pipe, 200 times', async () => {
    const name = pipeName()
    let connected = 0
    for (let round = 0; round < 200; round++) {
      const early = connectNamedPipe(name).catch((error: unknown) => error)
      const server = await NamedPipeServer.listen(name, { pendingInstances: 1 })
      const late = connectNamedPipe(name).catch((error: unknown) => error)
      if (round % 2 === 0) await new Promise(setImmediate)
      server.close()
      for (const outcome of await Promise.all([early, late])) {
        if (outcome instanceof Error) {
          expect(outcome).toEqual(systemFailure())
          expect(['ENOENT', 'EPIPE']).toContain((outcome as Partial<SluiceError>).code)
          continue
        }
        connected++
        const connection = quiet(outcome as Awaited<ReturnType<typeof connectNamedPipe>>)
        expect(await connection.receive().catch(() => undefined)).toBeUndefined()
        connection.destroy()
        await gone(connection)
      }
    }
    expect(connected).toBeGreaterThan(0)
  })

  test('1,000 times to a server that closes each connection', async () => {
    // With one instance that waits, a name without any would be seen at once.
    const server = await listen({ pendingInstances: 1 })
    const serving = (async () => {
      for await (const connection of server) quiet(connection).destroy()
    })()
    for (let round = 0; round < 1000; round++) {
      const client = quiet(await connectNamedPipe(server.address))
      client.destroy()
      if (round % 20 === 0) await gone(client)
    }
    server.close()
    await serving
  })

  test('a second client gets the only instance when the first has gone', async () => {
    const server = await listen({ maxInstances: 1, pendingInstances: 1 })
    for (const text of ['first', 'second', 'third']) {
      const client = await connectTo(server)
      const connection = quiet(await server.accept())
      await client.send(Buffer.from(text))
      expect(String((await connection.receive())?.data)).toBe(text)
      client.destroy()
      expect(await connection.receive()).toBeUndefined()
      connection.destroy()
      await gone(connection)
    }
  })

  test('before anybody accepts: the client can write at once', async () => {
    const server = await listen()
    const client = await connectTo(server)
    await client.send(Buffer.from('early'))
    const connection = quiet(closedAfterTest(await server.accept()))
    expect(String((await connection.receive())?.data)).toBe('early')
  })
})

describe.skipIf(!onWindows)('the end', () => {
  test.each(['server', 'client'])('is seen when the %s is destroyed', async (which) => {
    for (const mode of ['byte', 'message'] as const) {
      const [server, client] = await pipePair({ mode })
      const [going, staying] = which === 'server' ? [server, client] : [client, server]
      const reading = staying.receive()
      going.destroy()
      expect(await reading).toBeUndefined()
    }
  })

  test('of a pipe of bytes ends receives too, before and after it', async () => {
    const [server, client] = await pipePair()
    const before = server.receive()
    server.end()
    await once(server, 'finish')
    expect(await before).toBeUndefined()
    expect(await server.receive().catch((error: unknown) => error)).toBeUndefined()
    expect(await client.receive()).toBeUndefined()
  })

  test('sent before the other side begins to read comes after the bytes', async () => {
    const [server, client] = await pipePair({ mode: 'message', allowHalfOpen: true })
    client.end('01')
    await once(client, 'finish')
    const echo = pipeline(server, new PassThrough(), server)
    expect(String(await allOf(client))).toBe('01')
    await echo
  })
})

describe.skipIf(!onWindows)('reading', () => {
  test('times out, and what comes later is for the next', async () => {
    for (const mode of ['byte', 'message'] as const) {
      const [server, client] = await pipePair({ mode })
      await expect(client.receive({ timeout: 5 })).rejects.toEqual(
        sluiceError('ERR_SLUICE_TIMEOUT'),
      )
      await server.send(Buffer.from('late'))
      expect(String((await client.receive())?.data)).toBe('late')
    }
  })

  test('is given up while it is pending', async () => {
    const [, client] = await pipePair()
    const stop = new AbortController()
    const reading = client.receive({ signal: stop.signal })
    await new Promise(setImmediate)
    stop.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    expect(client.destroyed).toBe(false)
  })

  test('in pieces smaller than what was written', async () => {
    const [server, client] = await pipePair({ inBufferSize: 4096 })
    const data = Buffer.alloc(10_000, 1)
    const sent = client.send(data)
    const pieces: Buffer[] = []
    server.on('readable', () => {
      for (let piece; (piece = server.read(128) as Buffer | null) !== null;) pieces.push(piece)
    })
    await sent
    client.end()
    await once(server, 'end')
    expect(pieces.every((piece) => piece.length <= 128)).toBe(true)
    expect(Buffer.concat(pieces).equals(data)).toBe(true)
  })

  test('a pipe of messages as a stream, byte by byte', async () => {
    const server = await listen({ mode: 'message' })
    const client = await connectTo(server)
    const connection = quiet(await server.accept())
    connection.end('hello world')
    let text = ''
    client.on('readable', () => {
      for (let piece; (piece = client.read(1) as Buffer | null) !== null;) text += String(piece)
    })
    await once(client, 'end')
    expect(text).toBe('hello world')
    connection.destroy()
  })
})

describe.skipIf(!onWindows)('writing', () => {
  test('is given up when the peer has no room for it', async () => {
    const [server] = await pipePair()
    const stop = new AbortController()
    const writing = server.send(Buffer.alloc(10_000_000), { signal: stop.signal })
    await new Promise(setImmediate)
    stop.abort(new Error('enough'))
    await expect(writing).rejects.toThrow('enough')
    await gone(server)
  })

  test.each(['byte', 'message'] as const)('several chunks at once, mode %s', async (mode) => {
    const [server, client] = await pipePair({ mode })
    client.cork()
    for (const text of ['foo', 'bar', 'baz']) client.write(text)
    client.uncork()
    client.end()
    const chunks: string[] = []
    for await (const chunk of server) chunks.push(String(chunk))
    if (mode === 'message') expect(chunks).toEqual(['foo', 'bar', 'baz'])
    else expect(chunks.join('')).toBe('foobarbaz')
  })
})
