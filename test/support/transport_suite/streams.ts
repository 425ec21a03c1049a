/** A connection as a stream, which behaves as a `net.Socket` does. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable, Writable, addAbortSignal } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import type { SluiceError } from '../../../lib/index.js'
import { collectGarbage, eventually } from '../resources.js'
import { systemFailure } from '../rings.js'
import { stress } from '../stress.js'
import {
  closeOf,
  ignoreErrors,
  received,
  receivedBytes,
  testIf,
  text,
  turns,
  type Workbench,
} from './workbench.js'

export function streams(bench: Workbench): void {
  const { keepsBoundaries, halfClose, largestWrite, goneCodes, streamBytes } = bench.transport

  describe('as a stream', () => {
    testIf(halfClose)('carries what is written, in order, both ways at once', async () => {
      const [one, other] = await bench.pair()
      one.write('a')
      one.write(Buffer.from('b'))
      one.end('c')
      other.write('1')
      other.end('23')
      expect(await Promise.all([text(one), text(other)])).toEqual(['123', 'abc'])
    })

    test('takes strings of any encoding, and typed arrays', async () => {
      const [one, other] = await bench.pair()
      one.write('616263', 'hex')
      one.write(new Uint8Array([100]))
      one.end('€', 'utf8')
      expect(await text(other)).toBe('abcd€')
    })

    test('gives strings after setEncoding, whole characters each', async () => {
      const [one, other] = await bench.pair()
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

    test('pipeline carries a large stream unchanged', { timeout: 300_000 }, async () => {
      const [one, other] = await bench.pair()
      const total = streamBytes * stress({ short: 1 / 8, full: 1, long: 4 })
      const piece = randomBytes(Math.min(2 ** 20 + 7, largestWrite))
      const sent = createHash('sha256')
      const hash = createHash('sha256')
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
              hash.update(chunk)
              callback()
            },
          }),
        ),
      ])
      expect(hash.digest('hex')).toBe(sent.digest('hex'))
      expect([one.bytesWritten, other.bytesRead]).toEqual([total, total])
    })

    test('a single large write arrives whole', async () => {
      const [one, other] = await bench.pair()
      const data = randomBytes(Math.min(20 * 2 ** 20, largestWrite))
      const written = new Promise((resolve) => one.end(data, resolve as () => void))
      const chunks: Buffer[] = []
      for await (const chunk of other) chunks.push(chunk as Buffer)
      expect(Buffer.concat(chunks).equals(data)).toBe(true)
      if (keepsBoundaries) expect(chunks).toHaveLength(1)
      await written
    })

    test('many small writes arrive whole', async () => {
      const [one, other] = await bench.pair()
      const count = 50_000
      for (let i = 0; i < count; i++) one.write(`${String(i)},`)
      one.end()
      expect(await text(other)).toBe(
        Array.from({ length: count }, (_, i) => `${String(i)},`).join(''),
      )
    })

    test('cork holds writes back until uncork', async () => {
      const [one, other] = await bench.pair()
      one.cork()
      one.write('a')
      one.write('b')
      await turn()
      expect(one.bytesWritten).toBe(0)
      one.uncork()
      one.end()
      expect(await text(other)).toBe('ab')
    })

    test('an empty write says nothing, least of all the end', async () => {
      const [one, other] = await bench.pair()
      one.write('')
      one.write('x')
      one.write('')
      one.write('y')
      if (keepsBoundaries) {
        expect([await received(other), await received(other)]).toEqual(['x', 'y'])
      } else {
        expect((await receivedBytes(other, 2)).toString()).toBe('xy')
      }
    })

    test('write says false when the peer does not read, and drain comes when it does', async () => {
      const [one, other] = await bench.pair()
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

    test('a reader that does not read holds the writer up', async () => {
      const [one, other] = await bench.pair()
      let written = 0
      const chunk = Buffer.alloc(65536)
      while (!one.writableNeedDrain) {
        written += chunk.length
        // The system takes what it has room for before these turns are over.
        if (!one.write(chunk)) await turns(100)
      }
      expect(written).toBeLessThan(bench.transport.mostKept ?? 2 ** 20)
      const drained = once(one, 'drain')
      other.resume()
      await drained
    })

    test('a reader that sleeps costs bounded memory, however much is sent', async () => {
      const [one, other] = await bench.pair()
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
      const more = () => {
        const now = process.memoryUsage()
        return now.external + now.arrayBuffers - before.external - before.arrayBuffers
      }
      // One collection need not free what a chunk was copied to on its way.
      await eventually(
        () => more() < 4 * 2 ** 20,
        () => `${String(more())} bytes are kept`,
      )
      other.resume()
      await Promise.all([sending, once(other, 'end')])
      expect(other.bytesRead).toBe(500 * 65536)
    })

    test('pause stops the data and resume goes on', async () => {
      const [one, other] = await bench.pair()
      let length = 0
      other.on('data', (chunk: Buffer) => {
        length += chunk.length
        other.pause()
      })
      one.write('a')
      await once(other, 'pause')
      one.write('b')
      await turns(20)
      expect(length).toBe(1)
      other.resume()
      await once(other, 'pause')
      expect(length).toBe(2)
    })

    testIf(!keepsBoundaries)('readable and read(n) give exactly n bytes', async () => {
      const [one, other] = await bench.pair()
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

    testIf(!keepsBoundaries)('read(n) cuts up what was written as one', async () => {
      const [one, other] = await bench.pair()
      const data = randomBytes(10_000)
      const pieces: Buffer[] = []
      other.on('readable', () => {
        for (let piece; (piece = other.read(128) as Buffer | null) !== null;) pieces.push(piece)
      })
      one.end(data)
      await once(other, 'end')
      expect(pieces.every((piece) => piece.length <= 128)).toBe(true)
      expect(Buffer.concat(pieces).equals(data)).toBe(true)
    })

    testIf(keepsBoundaries)('readable and read() give one message each', async () => {
      const [one, other] = await bench.pair()
      for (const message of ['abc', 'd', 'ef']) one.write(message)
      one.end()
      const parts: string[] = []
      other.on('readable', () => {
        for (let part: Buffer | null; (part = other.read() as Buffer | null) !== null;) {
          parts.push(part.toString())
        }
      })
      await once(other, 'end')
      expect(parts).toEqual(['abc', 'd', 'ef'])
    })

    testIf(keepsBoundaries)('each write is one chunk, whether they wait or not', async () => {
      const [one, other] = await bench.pair()
      const written = Array.from({ length: 3000 }, (_, i) => `<${String(i)}>`)
      for (const message of written) one.write(message)
      one.end()
      const chunks: string[] = []
      for await (const chunk of other) chunks.push((chunk as Buffer).toString())
      expect(chunks).toEqual(written)
    })

    test('several chunks that were corked', async () => {
      const [one, other] = await bench.pair()
      one.cork()
      for (const part of ['foo', 'bar', 'baz']) one.write(part)
      one.uncork()
      one.end()
      const chunks: string[] = []
      for await (const chunk of other) chunks.push(String(chunk))
      if (keepsBoundaries) expect(chunks).toEqual(['foo', 'bar', 'baz'])
      else expect(chunks.join('')).toBe('foobarbaz')
    })

    test('unshift gives back what was read too far', async () => {
      const [one, other] = await bench.pair()
      one.end('headbody')
      await once(other, 'readable')
      const all = other.read() as Buffer
      other.unshift(all.subarray(4))
      expect(all.subarray(0, 4).toString() + '|' + (await text(other))).toBe('head|body')
    })

    test('for await with break destroys the connection', async () => {
      const [one, other] = await bench.pair()
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

    testIf(halfClose)('pipeline through both ends', async () => {
      const [one, other] = await bench.pair({ allowHalfOpen: true })
      const echo = pipeline(other, new PassThrough(), other)
      const data = bench.bytes(1_000_000)
      const back = text(one)
      one.end(data)
      expect(await back).toBe(data.toString())
      await echo
    })

    testIf(halfClose)(
      'what came before the end is there for a reader that comes late',
      async () => {
        const [one, other] = await bench.pair({ allowHalfOpen: true })
        one.end()
        await once(one, 'finish') // and nobody reads: its end is looked for
        other.resume()
        const data = bench.bytes(20_000)
        other.end(data)
        await closeOf(other)
        for (let i = 0; i < 20; i++) await turn()
        expect(await text(one)).toBe(data.toString())
      },
    )

    test('a pipeline that is aborted destroys the connection', async () => {
      const [one, other] = await bench.pair()
      const stop = new AbortController()
      const running = pipeline(one, new PassThrough().resume(), { signal: stop.signal })
      await other.send(Buffer.from('x'))
      // A socket would tell the peer of a reset if it had not been read.
      while (one.bytesRead === 0) await turn()
      stop.abort()
      await expect(running).rejects.toThrow(/abort/)
      await closeOf(one)
      expect(await other.receive()).toBeUndefined()
    })

    test('a write after end fails as on every stream', async () => {
      const [one, other] = await bench.pair()
      other.resume()
      one.resume()
      one.end()
      const failed = once(one, 'error') as Promise<[NodeJS.ErrnoException]>
      one.write('late')
      expect((await failed)[0].code).toBe('ERR_STREAM_WRITE_AFTER_END')
    })

    test('a write after destroy is reported to its callback', async () => {
      const [one] = await bench.pair()
      one.destroy()
      const error = await new Promise<Error | null | undefined>((resolve) =>
        one.write('x', resolve),
      )
      expect(error).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
    })

    test('a write to a peer that has gone fails with a typed error', async () => {
      const [one, other] = await bench.pair()
      other.destroy()
      await once(other, 'close')
      const failed = once(one, 'error') as Promise<[SluiceError]>
      const chunk = Buffer.alloc(65536)
      const writing = setInterval(() => one.write(chunk), 0)
      const [error] = await failed
      clearInterval(writing)
      expect(error.name).toBe('SluiceError')
      expect(error).toEqual(systemFailure())
      expect(goneCodes).toContain(error.code)
      expect(error.errno).toBeLessThan(0)
      await finished(one, { error: false }).catch(() => undefined)
      expect(one.destroyed).toBe(true)
    })

    test('toWeb gives streams of the Web', async () => {
      const [one, other] = await bench.pair()
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

    test('a writable stream of the Web ends the connection when it is closed', async () => {
      const [one, other] = await bench.pair()
      const writer = one.toWeb().writable.getWriter()
      const first = received(other)
      await writer.write(Buffer.from('web'))
      expect(await first).toBe('web')
      writer.close().catch(() => undefined) // it waits for the peer's end, too
      expect(await received(other)).toBeUndefined()
    })

    test('a signal given to finished or addAbortSignal destroys it', async () => {
      const [one] = await bench.pair()
      const controller = new AbortController()
      addAbortSignal(controller.signal, one)
      const failed = once(one, 'error') as Promise<[Error]>
      controller.abort()
      expect((await failed)[0].name).toBe('AbortError')
      expect(one.destroyed).toBe(true)
    })

    test('bytesRead and bytesWritten count', async () => {
      const [one, other] = await bench.pair()
      one.end('abc')
      await text(other)
      expect([one.bytesWritten, other.bytesRead]).toEqual([3, 3])
    })

    test('has what code for net.Socket calls', async () => {
      const [one, other] = await bench.pair()
      expect([one.connecting, one.pending, one.readyState]).toEqual([false, false, 'open'])
      expect(one.setNoDelay().setKeepAlive()).toBe(one)
      ignoreErrors(other).resume()
      one.destroySoon()
      await closeOf(one)
      expect(one.readyState).toBe('closed')
    })

    test('destroySoon closes after everything was written', async () => {
      const [one, other] = await bench.pair()
      const data = bench.bytes(2 ** 20)
      one.write(data)
      one.destroySoon()
      expect((await text(other)).length).toBe(data.length)
      await closeOf(one)
    })
  })
}
