/** A connection as a stream, and how it ends in each state. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'

import { onWindows } from '../support/platform.js'
import { allOf, gone, pipePair } from '../support/pipes.js'
import { sluiceError } from '../support/rings.js'

const megabytes = 500

describe.skipIf(!onWindows)('a stream', () => {
  test.each(['byte', 'message'] as const)(
    `${String(megabytes)} MB arrive unchanged, mode %s`,
    { timeout: 300_000 },
    async (mode) => {
      const [server, client] = await pipePair({ mode })
      const block = Buffer.alloc(2 ** 20)
      const sent = createHash('sha256')
      function* blocks() {
        for (let i = 0; i < megabytes; i++) {
          block.writeUInt32LE((i * 2654435761) >>> 0, (i * 4093) % (block.length - 4))
          const copy = Buffer.from(block)
          sent.update(copy)
          yield copy
        }
      }
      const received = createHash('sha256')
      let length = 0
      const reading = pipeline(client, async (source: AsyncIterable<Buffer>) => {
        for await (const chunk of source) {
          length += chunk.length
          received.update(chunk)
        }
      })
      await pipeline(Readable.from(blocks(), { objectMode: false }), server)
      if (mode === 'message') client.end()
      await reading
      expect(length).toBe(megabytes * 2 ** 20)
      expect(received.digest('hex')).toBe(sent.digest('hex'))
    },
  )

  test('a reader that does not read holds the writer up', async () => {
    const [server, client] = await pipePair()
    let written = 0
    const chunk = Buffer.alloc(65536)
    while (!server.writableNeedDrain) {
      written += chunk.length
      // Bytes that the system has room for are gone before the next turns are over.
      if (!server.write(chunk)) {
        for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
      }
    }
    expect(written).toBeLessThan(2 ** 20)
    const drained = once(server, 'drain')
    client.resume()
    await drained
  })

  test('pipeline through both ends', async () => {
    const [server, client] = await pipePair({ mode: 'message', allowHalfOpen: true })
    const echo = pipeline(server, new PassThrough(), server)
    const data = Buffer.alloc(1_000_000, 'echo')
    const back = allOf(client)
    client.end(data)
    expect((await back).equals(data)).toBe(true)
    await echo
  })

  test('a pipeline that is aborted destroys the connection', async () => {
    const [server, client] = await pipePair()
    const stop = new AbortController()
    const running = pipeline(server, new PassThrough().resume(), { signal: stop.signal })
    await client.send(Buffer.from('x'))
    stop.abort()
    await expect(running).rejects.toThrow(/abort/)
    await gone(server)
    expect(await client.receive()).toBeUndefined()
  })

  test.each(['nothing', 'a read', 'a write', 'a read and a write', 'an end'] as const)(
    'destroyed with %s pending',
    async (what) => {
      const [server, client] = await pipePair({ mode: 'message' })
      const reading = what.includes('read') ? server.receive() : undefined
      const writing = what.includes('write') ? server.send(Buffer.alloc(10_000_000)) : undefined
      if (what === 'an end') server.end(Buffer.alloc(10_000_000))
      reading?.catch(() => undefined)
      writing?.catch(() => undefined)
      server.destroy()
      server.destroy()
      await gone(server)
      if (reading) await expect(reading).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
      if (writing) await expect(writing).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
      await expect(server.send(Buffer.from('x'))).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
      await expect(server.receive()).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
      client.destroy()
    },
  )

  test('destroy with an error emits it where the stream is used', async () => {
    const [server] = await pipePair()
    server.resume()
    const failed = once(server, 'error')
    server.destroy(new Error('mine'))
    expect(((await failed) as [Error])[0].message).toBe('mine')
  })

  test('a write to a peer that has gone fails with the system name of the error', async () => {
    const [server, client] = await pipePair()
    client.destroy()
    await gone(client)
    await expect(
      (async () => {
        for (;;) await server.send(Buffer.alloc(1000))
      })(),
    ).rejects.toEqual(
      sluiceError('EPIPE', {
        syscall: 'WriteFile',
        win32: expect.stringMatching(/^ERROR_(NO_DATA|BROKEN_PIPE|PIPE_NOT_CONNECTED)$/) as string,
      }),
    )
  })

  test('a cancelled receive leaves what comes to the next', async () => {
    const [server, client] = await pipePair({ mode: 'message' })
    const stop = new AbortController()
    const first = server.receive({ signal: stop.signal })
    stop.abort(new Error('later'))
    await expect(first).rejects.toThrow('later')
    await client.send(Buffer.from('one'))
    await client.send(Buffer.from('two'))
    expect(String((await server.receive())?.data)).toBe('one')
    expect(String((await server.receive())?.data)).toBe('two')
  })

  test('a receive is not forgotten that comes while another is being cancelled', async () => {
    const [server, client] = await pipePair({ mode: 'message' })
    for (let round = 0; round < 1000; round++) {
      const stop = new AbortController()
      const cancelled = server.receive({ signal: stop.signal })
      stop.abort(new Error('never mind'))
      const receiving = server.receive()
      await expect(cancelled).rejects.toThrow('never mind')
      await client.send(Buffer.from(String(round)))
      expect(String((await receiving)?.data)).toBe(String(round))
    }
  })

  test('10,000 receives cancelled against messages: none is lost, none comes twice', async () => {
    const [server, client] = await pipePair({ mode: 'message' })
    let next = 0
    const take = (message: { data: Buffer } | undefined) => {
      expect(Number(message?.data)).toBe(next++)
    }
    for (let round = 0; round < 10_000; round++) {
      const stop = new AbortController()
      const receiving = server.receive({ signal: stop.signal }).then(take, () => undefined)
      const sending = round % 2 === 0 ? client.send(Buffer.from(String(round / 2))) : undefined
      for (let turns = Math.floor(Math.random() * 3); turns > 0; turns--) {
        await new Promise(setImmediate)
      }
      stop.abort()
      await receiving
      await sending
    }
    while (next < 5000) take(await server.receive())
  }, 300_000)

  test('a send is cancelled before it has begun, and the connection lives', async () => {
    const [server, client] = await pipePair({ mode: 'message' })
    const large = server.send(Buffer.alloc(10_000_000))
    const stop = new AbortController()
    const cancelled = server.send(Buffer.from('never'), { signal: stop.signal })
    const after = server.send(Buffer.from('after'))
    stop.abort(new Error('no'))
    await expect(cancelled).rejects.toThrow('no')
    expect((await client.receive())?.data.length).toBe(10_000_000)
    expect(String((await client.receive())?.data)).toBe('after')
    await Promise.all([large, after])
  })

  test('a send that is cancelled while it is written ends the connection', async () => {
    const [server, client] = await pipePair()
    const sending = server.send(Buffer.alloc(10_000_000), { timeout: 20 })
    await expect(sending).rejects.toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
    await gone(server)
    client.destroy()
  })

  test('setTimeout tells of silence', async () => {
    const [server] = await pipePair()
    await new Promise<void>((resolve) => server.setTimeout(1, resolve))
    expect(server.destroyed).toBe(false)
  })

  test('as streams of the Web', async () => {
    const [server, client] = await pipePair()
    const { writable } = server.toWeb()
    const writer = writable.getWriter()
    const read = client.receive()
    await writer.write(Buffer.from('web'))
    expect(String((await read)?.data)).toBe('web')
    await writer.close()
  })
})
