/** What every connection keeps as a stream, over whichever transport. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable, Writable, type Duplex } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import type { SluiceError } from '../../lib/index.js'
import { collectGarbage } from './resources.js'

/** What the suite needs of a connection beside being a Duplex. */
export type Connection = Duplex & {
  readonly bytesRead: number
  readonly bytesWritten: number
  setTimeout(milliseconds: number, listener?: () => void): unknown
  ref(): unknown
  unref(): unknown
  toWeb(): { readable: ReadableStream; writable: WritableStream }
}

export interface Transport {
  name: string
  /** Two ends that are connected to each other. */
  connect(options?: { allowHalfOpen?: boolean }): Promise<[Connection, Connection]>
  /** Codes of a write to a peer that has gone. */
  goneCodes: string[]
}

const long = process.env['SLUICE_LONG'] === '1'

export function duplexSuite(transport: Transport): void {
  async function pair(options?: { allowHalfOpen?: boolean }): Promise<[Connection, Connection]> {
    const ends = await transport.connect(options)
    onTestFinished(() => {
      for (const end of ends) end.destroy()
    })
    return ends
  }

  async function text(stream: Readable): Promise<string> {
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  }

  /** As `text`; `for await` would destroy the stream at its end. */
  async function collected(stream: Readable): Promise<string> {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(stream, 'end')
    return Buffer.concat(chunks).toString()
  }

  describe(`a connection over ${transport.name} as a stream`, () => {
    test('carries what is written, in order, both ways at once', async () => {
      const [one, other] = await pair()
      one.write('a')
      one.write(Buffer.from('b'))
      one.end('c')
      other.write('1')
      other.end('23')
      expect(await Promise.all([text(one), text(other)])).toEqual(['123', 'abc'])
    })

    test('takes strings of any encoding, and typed arrays', async () => {
      const [one, other] = await pair()
      one.write('616263', 'hex')
      one.write(new Uint8Array([100]))
      one.end('€', 'utf8')
      expect(await text(other)).toBe('abcd€')
    })

    test('gives strings after setEncoding, whole characters each', async () => {
      const [one, other] = await pair()
      other.setEncoding('utf8')
      const euro = Buffer.from('€')
      one.write(euro.subarray(0, 1))
      one.end(euro.subarray(1))
      let all = ''
      for await (const chunk of other) {
        expect(typeof chunk).toBe('string')
        all += chunk as string
      }
      expect(all).toBe('€')
    })

    test('pipeline carries a large stream unchanged', async () => {
      const [one, other] = await pair()
      const total = (long ? 4096 : 1024) * 2 ** 20
      const piece = randomBytes(2 ** 20 + 7)
      const sent = createHash('sha256')
      const received = createHash('sha256')
      async function* source(): AsyncGenerator<Buffer> {
        for (let left = total; left > 0; left -= piece.length) {
          const chunk = left < piece.length ? piece.subarray(0, left) : piece
          sent.update(chunk)
          yield chunk
          await turn()
        }
      }
      await Promise.all([
        pipeline(Readable.from(source(), { objectMode: false }), one),
        pipeline(
          other,
          new Writable({
            write(chunk: Buffer, _encoding, callback) {
              received.update(chunk)
              callback()
            },
          }),
        ),
      ])
      expect(received.digest('hex')).toBe(sent.digest('hex'))
      expect([one.bytesWritten, other.bytesRead]).toEqual([total, total])
    })

    test('a single large write arrives whole', async () => {
      const [one, other] = await pair()
      const data = randomBytes(20 * 2 ** 20)
      const written = new Promise((resolve) => one.end(data, resolve as () => void))
      const chunks: Buffer[] = []
      for await (const chunk of other) chunks.push(chunk as Buffer)
      expect(Buffer.concat(chunks).equals(data)).toBe(true)
      await written
    })

    test('many small writes arrive whole', async () => {
      const [one, other] = await pair()
      const count = 50_000
      for (let i = 0; i < count; i++) one.write(`${String(i)},`)
      one.end()
      expect(await text(other)).toBe(
        Array.from({ length: count }, (_, i) => `${String(i)},`).join(''),
      )
    })

    test('cork holds writes back until uncork', async () => {
      const [one, other] = await pair()
      one.cork()
      one.write('a')
      one.write('b')
      await turn()
      expect(one.bytesWritten).toBe(0)
      one.uncork()
      one.end()
      expect(await text(other)).toBe('ab')
    })

    test('write says false when the peer does not read, and drain comes when it does', async () => {
      const [one, other] = await pair()
      const chunk = Buffer.alloc(65536)
      let written = 0
      while (one.write(chunk)) {
        written++
        await turn()
        expect(written).toBeLessThan(1000)
      }
      expect(one.writableNeedDrain).toBe(true)
      other.resume()
      await once(one, 'drain')
      expect(one.writableLength).toBe(0)
    })

    test('a reader that sleeps costs bounded memory, however much is sent', async () => {
      const [one, other] = await pair()
      collectGarbage()
      const before = process.memoryUsage()
      const chunk = Buffer.alloc(65536)
      const sending = (async () => {
        for (let i = 0; i < 500; i++) {
          if (!one.write(chunk)) await once(one, 'drain')
        }
        one.end()
      })()
      // The reader takes one chunk and then nothing.
      const first = (await once(other, 'data')) as [Buffer]
      other.pause()
      expect(first[0].length).toBeGreaterThan(0)
      for (let i = 0; i < 200; i++) await turn()
      collectGarbage()
      const after = process.memoryUsage()
      expect(
        after.external + after.arrayBuffers - before.external - before.arrayBuffers,
      ).toBeLessThan(4 * 2 ** 20)
      other.resume()
      await Promise.all([sending, once(other, 'end')])
      expect(other.bytesRead).toBe(500 * 65536)
    })

    test('pause stops the data and resume goes on', async () => {
      const [one, other] = await pair()
      let received = 0
      other.on('data', (chunk: Buffer) => {
        received += chunk.length
        other.pause()
      })
      one.write('a')
      await once(other, 'pause')
      one.write('b')
      for (let i = 0; i < 20; i++) await turn()
      expect(received).toBe(1)
      other.resume()
      await once(other, 'pause')
      expect(received).toBe(2)
    })

    test('readable and read(n) give exactly n bytes', async () => {
      const [one, other] = await pair()
      one.end('abcdef')
      const parts: string[] = []
      other.on('readable', () => {
        for (let part: Buffer | null; (part = other.read(2) as Buffer | null) !== null;) {
          parts.push(part.toString())
        }
      })
      await once(other, 'end')
      expect(parts).toEqual(['ab', 'cd', 'ef'])
    })

    test('unshift gives back what was read too far', async () => {
      const [one, other] = await pair()
      one.end('headbody')
      await once(other, 'readable')
      const all = other.read() as Buffer
      other.unshift(all.subarray(4))
      expect(all.subarray(0, 4).toString() + '|' + (await text(other))).toBe('head|body')
    })

    test('for await with break destroys the connection', async () => {
      const [one, other] = await pair()
      one.on('error', () => undefined)
      one.write('a')
      for await (const chunk of other) {
        expect((chunk as Buffer).toString()).toBe('a')
        break
      }
      expect(other.destroyed).toBe(true)
      one.resume()
      await once(one, 'close')
    })

    test("the peer's end is an end event, and then a close", async () => {
      const [one, other] = await pair()
      const events: string[] = []
      for (const name of ['end', 'finish', 'close']) other.on(name, () => events.push(name))
      other.resume()
      one.resume()
      one.end()
      await Promise.all([once(other, 'close'), once(one, 'close')])
      expect(events).toEqual(['end', 'finish', 'close'])
    })

    test('allowHalfOpen: after the end of one direction the other goes on', async () => {
      const [one, other] = await pair({ allowHalfOpen: true })
      const question = collected(other)
      const answer = collected(one)
      one.end('question')
      expect(await question).toBe('question')
      expect(other.writable).toBe(true)
      other.write('an')
      await turn()
      other.end('swer')
      expect(await answer).toBe('answer')
    })

    test('without allowHalfOpen it ends when the peer ends', async () => {
      const [one, other] = await pair()
      other.resume()
      one.end()
      await once(other, 'finish')
      expect(other.writableEnded).toBe(true)
    })

    test('a write after end fails as on every stream', async () => {
      const [one, other] = await pair()
      other.resume()
      one.resume()
      one.end()
      const failed = once(one, 'error') as Promise<[NodeJS.ErrnoException]>
      one.write('late')
      expect((await failed)[0].code).toBe('ERR_STREAM_WRITE_AFTER_END')
    })

    test('a write after destroy is reported to its callback', async () => {
      const [one] = await pair()
      one.destroy()
      const error = await new Promise<Error | null | undefined>((resolve) =>
        one.write('x', resolve),
      )
      expect(error).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
    })

    test('a write to a peer that has gone fails with a typed error', async () => {
      const [one, other] = await pair()
      other.destroy()
      await once(other, 'close')
      const failed = once(one, 'error') as Promise<[SluiceError]>
      const chunk = Buffer.alloc(65536)
      const writing = setInterval(() => one.write(chunk), 0)
      const [error] = await failed
      clearInterval(writing)
      expect(error.name).toBe('SluiceError')
      expect(error.code).toBe('ERR_SLUICE_SYSTEM')
      expect(transport.goneCodes).toContain(error.errnoCode)
      expect(error.errno).toBeLessThan(0)
      await finished(one, { error: false }).catch(() => undefined)
      expect(one.destroyed).toBe(true)
    })

    test('destroy with an error emits it, then close', async () => {
      const [one] = await pair()
      const events: unknown[] = []
      one.on('error', (error) => events.push(error))
      one.on('close', () => events.push('close'))
      one.resume()
      const error = new Error('enough')
      one.destroy(error)
      await new Promise((resolve) => one.once('close', resolve))
      expect(events).toEqual([error, 'close'])
    })

    const states: Record<string, (one: Connection, other: Connection) => unknown> = {
      'before anything': () => undefined,
      'while reading': (one) => one.resume(),
      'while paused': (one, other) => {
        other.write('x')
        one.on('data', () => one.pause())
      },
      'while a write waits': (one) => {
        for (let i = 0; i < 64; i++) one.write(Buffer.alloc(65536))
      },
      'while corked': (one) => {
        one.cork()
        one.write('x')
      },
      'while ending': (one) => {
        one.write(Buffer.alloc(2 ** 21))
        one.end()
      },
      'after its end': (one) => one.end(),
      "after the peer's end": async (one, other) => {
        one.resume()
        other.end()
        await once(one, 'end')
      },
      'after the peer was destroyed': (_, other) => other.destroy(),
      'while it is piped': (one, other) => {
        one.pipe(new PassThrough())
        other.write('x')
      },
      'inside a data listener': async (one, other) => {
        other.write('x')
        one.once('data', () => one.destroy())
        await once(one, 'close')
      },
    }
    for (const [state, enter] of Object.entries(states)) {
      test(`destroy ${state}: it closes once and nothing more happens`, async () => {
        const [one, other] = await pair({ allowHalfOpen: true })
        other.on('error', () => undefined)
        let closes = 0
        one.on('close', () => closes++)
        await enter(one, other)
        one.destroy()
        one.destroy()
        if (!one.closed) await once(one, 'close')
        await turn()
        expect(closes).toBe(1)
        expect(one.destroyed).toBe(true)
      })
    }

    test('setTimeout tells of idleness, and traffic puts it off', async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      onTestFinished(() => {
        vi.useRealTimers()
      })
      const [one, other] = await pair()
      one.resume()
      let timeouts = 0
      one.on('timeout', () => timeouts++)
      one.setTimeout(100)
      vi.advanceTimersByTime(80)
      other.write('x')
      await once(one, 'data')
      vi.advanceTimersByTime(80)
      one.write('x')
      await turn()
      vi.advanceTimersByTime(80)
      expect(timeouts).toBe(0)
      vi.advanceTimersByTime(20)
      expect(timeouts).toBe(1)
      expect(one.destroyed).toBe(false)
      other.write('x')
      await once(one, 'data')
      vi.advanceTimersByTime(100)
      expect(timeouts).toBe(2)
      one.setTimeout(0)
      other.write('x')
      await once(one, 'data')
      vi.advanceTimersByTime(1000)
      expect(timeouts).toBe(2)
    })

    test('toWeb gives streams of the Web', async () => {
      const [one, other] = await pair()
      const web = one.toWeb()
      const writer = web.writable.getWriter()
      await writer.write(new TextEncoder().encode('abc'))
      expect(((await once(other, 'data')) as [Buffer])[0].toString()).toBe('abc')
      other.end('xyz')
      const reader = web.readable.getReader()
      const { value } = (await reader.read()) as { value: Uint8Array }
      expect(Buffer.from(value).toString()).toBe('xyz')
      await reader.cancel().catch(() => undefined)
      await writer.close().catch(() => undefined)
    })

    test('a signal given to finished or addAbortSignal destroys it', async () => {
      const { addAbortSignal } = await import('node:stream')
      const [one] = await pair()
      const controller = new AbortController()
      addAbortSignal(controller.signal, one)
      const failed = once(one, 'error') as Promise<[Error]>
      controller.abort()
      expect((await failed)[0].name).toBe('AbortError')
      expect(one.destroyed).toBe(true)
    })

    test('bytesRead and bytesWritten count', async () => {
      const [one, other] = await pair()
      one.end('abc')
      await text(other)
      expect([one.bytesWritten, other.bytesRead]).toEqual([3, 3])
    })
  })
}
