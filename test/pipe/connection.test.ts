import { describe, expect, test } from 'vitest'

import { onWindows } from '../support/platform.js'
import { allOf, gone, pipePair } from '../support/pipes.js'
import { sluiceError } from '../support/rings.js'

describe.skipIf(!onWindows)('a connection', () => {
  for (const mode of ['byte', 'message'] as const) {
    describe(`mode ${mode}`, () => {
      test('carries bytes both ways', async () => {
        const [server, client] = await pipePair({ mode })
        await client.send(Buffer.from('ping'))
        expect((await server.receive())?.data.toString()).toBe('ping')
        await server.send(Buffer.from('pong'))
        expect((await client.receive())?.data.toString()).toBe('pong')
        expect(server.bytesRead).toBe(4)
        expect(server.bytesWritten).toBe(4)
      })

      test('what was written is read to the end after the writer has ended and closed', async () => {
        const [server, client] = await pipePair({ mode })
        const data = Buffer.alloc(50_000, 'x')
        server.resume()
        server.end(data)
        if (mode === 'message') client.end()
        await gone(server)
        expect(await allOf(client)).toEqual(data)
      })

      test('a client that has gone leaves its bytes behind for the server', async () => {
        const [server, client] = await pipePair({ mode })
        client.resume()
        client.end('last words')
        if (mode === 'message') server.end()
        await gone(client)
        expect((await allOf(server)).toString()).toBe('last words')
      })

      test('the end of one side is seen by the other', async () => {
        const [server, client] = await pipePair({ mode })
        server.end()
        expect(await client.receive()).toBeUndefined()
      })
    })
  }

  describe('mode message', () => {
    test('keeps boundaries', async () => {
      const [server, client] = await pipePair({ mode: 'message' })
      for (const text of ['a', 'bc', 'def']) await client.send(Buffer.from(text))
      const got: string[] = []
      for (let i = 0; i < 3; i++) got.push(String((await server.receive())?.data))
      expect(got).toEqual(['a', 'bc', 'def'])
    })

    test('a message longer than every buffer arrives whole', async () => {
      const [server, client] = await pipePair({ mode: 'message', inBufferSize: 4096 })
      const long = Buffer.alloc(1_000_000, 'long')
      const sent = client.send(long)
      expect((await server.receive())?.data.equals(long)).toBe(true)
      await sent
    })

    test('a message beyond maxMessageLength ends the connection', async () => {
      const [server, client] = await pipePair({ mode: 'message', maxMessageLength: 10_000 })
      const sent = client.send(Buffer.alloc(100_000)).catch(() => undefined)
      await expect(server.receive()).rejects.toEqual(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
      await sent
    })

    test('a message beyond maxMessageLength that is shorter than a buffer does so, too', async () => {
      const [server, client] = await pipePair({ mode: 'message', maxMessageLength: 10 })
      await client.send(Buffer.alloc(10))
      await client.send(Buffer.alloc(11))
      expect((await server.receive())?.data.length).toBe(10)
      await expect(server.receive()).rejects.toEqual(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
    })

    test('empty writes say nothing, least of all the end', async () => {
      const [server, client] = await pipePair({ mode: 'message' })
      client.write('')
      await client.send(new Uint8Array(0))
      await client.send(Buffer.from('x'))
      expect(String((await server.receive())?.data)).toBe('x')
    })

    test('can be half-closed', async () => {
      const [server, client] = await pipePair({ mode: 'message', allowHalfOpen: true })
      client.end('question')
      expect(String((await server.receive())?.data)).toBe('question')
      expect(await server.receive()).toBeUndefined()
      server.end('answer')
      expect((await allOf(client)).toString()).toBe('answer')
    })
  })
})
