/** Connections of messages, whatever carries them. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import {
  framed,
  type Connection,
  type FramedOptions,
  type MessageConnection,
} from '../../lib/index.js'
import { sluiceError } from './rings.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
const tooLong = sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG')
const silence = sluiceError('ERR_SLUICE_HEARTBEAT_TIMEOUT')

/** Heartbeats for tests. */
export const quick = { interval: 40, timeout: 200 }

export async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const message of messages) list.push(message)
  return list
}

export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return (await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )) as Error
}

/** `pair` gives the two ends of a connection, which are closed at the end of the test. */
export function framedSuite(
  name: string,
  pair: () => Promise<[Connection, Connection]>,
  carriesDescriptors: boolean,
): void {
  /** Both as connections of messages, and beneath. */
  async function framedPair(one: FramedOptions, other: FramedOptions) {
    const [client, accepted] = await pair()
    return {
      one: framed(client, one as FramedOptions & { codec?: 'bytes' }),
      other: framed(accepted, other as FramedOptions & { codec?: 'bytes' }),
      client,
      accepted,
    }
  }

  describe(`messages over ${name}`, () => {
    test('every length from 0 to the longest', async () => {
      const [one, other] = await pair()
      const options = { maxLength: 300 }
      const sender = framed(one, options)
      const receiver = framed(other, options)
      const sending = (async () => {
        for (let length = 0; length <= 300; length++)
          await sender.send(Buffer.alloc(length, length))
        await sender.closeWrite()
      })()
      let length = 0
      for await (const message of receiver) {
        expect(message.equals(Buffer.alloc(length, length))).toBe(true)
        length++
      }
      expect(length).toBe(301)
      await sending
    })

    test('long ones, both ways at once', async () => {
      const ends = (await pair()).map((end) => framed(end))
      const sent = randomBytes(2 ** 20)
      await Promise.all(
        ends.map(async (end) => {
          const sending = Promise.all([end.send(sent), end.sendMany([sent, Buffer.alloc(0), sent])])
          const got: Buffer[] = []
          while (got.length < 4) got.push((await end.receive()) ?? Buffer.from('the end'))
          expect(got.map((message) => message.equals(sent))).toEqual([true, true, false, true])
          await sending
        }),
      )
    })

    test('messages of one byte at a high rate', async () => {
      const [one, other] = await pair()
      const [sender, receiver] = [framed(one), framed(other)]
      const count = 100_000
      const batch = Array.from({ length: 1000 }, () => Buffer.from('x'))
      const sending = (async () => {
        for (let i = 0; i < count / batch.length; i++) await sender.sendMany(batch)
        await sender.closeWrite()
      })()
      let received = 0
      for (let messages; (messages = await receiver.receiveMany()) !== undefined;) {
        received += messages.length
      }
      expect(received).toBe(count)
      await sending
    })

    test('a death is told after the messages that came before it', async () => {
      const [one, other] = await pair()
      const receiver = framed(other)
      await framed(one).sendMany([Buffer.from('last'), Buffer.from('words')])
      one.destroy()
      expect((await all(receiver)).map(String)).toEqual(['last', 'words'])
    })

    describe('sending', () => {
      test('a message that is too long sends nothing', async () => {
        const [one, other] = await pair()
        const sender = framed(one, { maxLength: 10 })
        await expect(sender.send(Buffer.alloc(11))).rejects.toThrow(tooLong)
        await expect(sender.sendMany([Buffer.from('x'), Buffer.alloc(11)])).rejects.toThrow(tooLong)
        await sender.send(Buffer.alloc(10))
        expect(await framed(other).receive()).toHaveLength(10)
      })

      test('to a peer that never reads: its time is up, and the connection is over', async () => {
        const [one] = await pair()
        const sender = framed(one, { maxLength: 2 ** 25 })
        const failure = await failureOf(sender.send(Buffer.alloc(2 ** 25), { timeout: 50 }))
        expect(failure).toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
        expect(await sender.whenClosed).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
        await expect(sender.send(Buffer.from('x'))).rejects.toThrow(
          sluiceError('ERR_SLUICE_CLOSED'),
        )
        expect(one.writableLength).toBe(0)
      })

      test('a reader that does not receive holds the sender back', async () => {
        const [one, other] = await pair()
        const [sender, receiver] = [framed(one), framed(other)]
        await sender.send(Buffer.from('first'))
        expect(String(await receiver.receive())).toBe('first')
        let sent = 0
        const payload = Buffer.alloc(65536)
        const sending = (async () => {
          for (; sent < 1000; sent++) await sender.send(payload)
        })()
        for (let i = 0; i < 300; i++) await turn()
        expect(sent).toBeLessThan(300)
        expect(other.bytesRead).toBeLessThan(2 ** 18)
        for (let i = 0; i < 1000; i++) expect(await receiver.receive()).toHaveLength(65536)
        await sending
      })

      test.each([
        ['an unknown option', { misspelt: 1 }],
        ['a negative time', { timeout: -1 }],
      ])('%s is refused', async (_, options) => {
        const [one] = await pair()
        const given = options as { timeout?: number }
        expect(() => framed(one).send(Buffer.from('x'), given)).toThrow(wrong)
        expect(() => framed(one).receive(given)).toThrow(wrong)
      })
    })

    describe('receiving', () => {
      test('one that is cancelled loses nothing', async () => {
        const [one, other] = await pair()
        const [sender, receiver] = [framed(one), framed(other)]
        const controller = new AbortController()
        const cancelled = receiver.receive({ signal: controller.signal })
        const late = receiver.receive({ timeout: 5 })
        const next = receiver.receive()
        controller.abort(new Error('enough'))
        await expect(cancelled).rejects.toThrow('enough')
        await expect(late).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
        await sender.send(Buffer.from('kept'))
        expect(String(await next)).toBe('kept')
      })

      test('close() ends it, and is idempotent', async () => {
        const [one] = await pair()
        const receiver: MessageConnection = framed(one)
        const receiving = failureOf(receiver.receive())
        receiver.close()
        receiver.close()
        expect(await receiving).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
        expect(await receiver.whenClosed).toBeUndefined()
        await expect(receiver.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
      })
    })

    describe('codecs', () => {
      const value = { date: new Date(0), map: new Map([[1, 'one']]), bytes: new Uint8Array([1, 2]) }

      test('json and clone bring values, and others of the user', async () => {
        for (const [options, sent, expected] of [
          [{ codec: 'json' }, { a: ['ü', null, 1.5] }, { a: ['ü', null, 1.5] }],
          [{ codec: 'clone' }, value, value],
          [
            {
              codec: {
                encode: (text: unknown) => Buffer.from(String(text)),
                decode: (bytes: Buffer) => bytes.toString().toUpperCase(),
              },
            },
            'loud',
            'LOUD',
          ],
        ] as [FramedOptions & { codec: 'json' }, unknown, unknown][]) {
          const [one, other] = await pair()
          const sender = framed(one, options)
          await sender.send(sent)
          await sender.sendMany([sent, sent])
          await sender.closeWrite()
          expect(await all(framed(other, options))).toEqual([expected, expected, expected])
        }
      })

      test.each([
        ['bytes', 'text'],
        ['json', undefined],
        ['json', 1n],
        ['clone', () => undefined],
      ])('%s cannot encode %s', async (codec, message) => {
        const [one] = await pair()
        expect(() => framed(one, { codec: codec as 'json' }).send(message)).toThrow(wrong)
      })
    })

    describe('heartbeats', () => {
      test('bring no message, and both sides see messages as ever', async () => {
        const { one, other, accepted } = await framedPair(
          { heartbeat: quick },
          { heartbeat: quick },
        )
        const receiving = other.receive()
        while (accepted.bytesRead < 12) await turn()
        await one.sendMany([Buffer.from('a'), Buffer.alloc(0)])
        expect(String(await receiving)).toBe('a')
        expect(await other.receive()).toHaveLength(0)
        await one.closeWrite()
        expect(await other.receive()).toBeUndefined()
      })

      test('nobody is judged while messages wait that nobody receives', async () => {
        const { one, other, client } = await framedPair({}, { heartbeat: quick })
        await one.send(Buffer.from('kept'))
        // The peer sends no heartbeats; what it sent waits, and it could have sent more behind it.
        // In the same time two others, one after the other, are judged for their silence.
        for (let i = 0; i < 2; i++) {
          const silent = await framedPair({}, { heartbeat: quick })
          expect(await silent.other.whenClosed).toEqual(silence)
        }
        expect(other.closed).toBe(false)
        expect(String(await other.receive())).toBe('kept')
        client.on('error', () => undefined)
        expect(await other.whenClosed).toEqual(silence)
      })

      test('a loop that was late judges nobody for it', async () => {
        const { one, other } = await framedPair({ heartbeat: quick }, { heartbeat: quick })
        await turn()
        // Twice as long as a peer may be silent; the peer is blocked as well, it is in this process.
        const end = performance.now() + 2 * (quick.interval + quick.timeout)
        while (performance.now() < end);
        const receiving = other.receive()
        await one.send(Buffer.from('still here'))
        expect(String(await receiving)).toBe('still here')
        expect([one.closed, other.closed]).toEqual([false, false])
      })

      test('leave nothing behind', async () => {
        const { one, other } = await framedPair({ heartbeat: quick }, { heartbeat: quick })
        one.close()
        other.close()
        await Promise.all([one.whenClosed, other.whenClosed])
      })
    })

    if (carriesDescriptors) descriptorSuite(pair)
  })
}

function descriptorSuite(pair: () => Promise<[Connection, Connection]>): void {
  describe('descriptors', () => {
    test('come with the message that they were sent with', async () => {
      const [one, other] = await pair()
      const [sender, receiver] = [framed(one), framed(other)]
      const fd = openSync('/dev/null', 'r')
      onTestFinished(() => {
        closeSync(fd)
      })
      const { ino } = fstatSync(fd)
      await sender.send(Buffer.from('none'))
      await sender.send(Buffer.from('one'), { fds: [fd] })
      await sender.send(Buffer.from('none'))
      await sender.send(Buffer.from('two'), { fds: [fd, fd] })
      await sender.send(Buffer.from('dropped'), { fds: [fd] })
      await sender.send(Buffer.from('none'))
      const got: [string, number][] = []
      for (let i = 0; i < 4; i++) {
        const { message, fds } = (await receiver.receiveWithFds()) ?? { message: '', fds: [] }
        got.push([String(message), fds.length])
        for (const received of fds) {
          expect(fstatSync(received.number).ino).toBe(ino)
          received.close()
        }
      }
      expect(got).toEqual([
        ['none', 0],
        ['one', 1],
        ['none', 0],
        ['two', 2],
      ])
      expect(String(await receiver.receive())).toBe('dropped') // and closed: each test counts
      expect((await receiver.receiveWithFds())?.fds).toEqual([])
    })

    test('that nobody has taken are closed with the connection', async () => {
      const [one, other] = await pair()
      const [sender, receiver] = [framed(one), framed(other)]
      const fd = openSync('/dev/null', 'r')
      for (let i = 0; i < 3; i++) await sender.send(Buffer.alloc(3), { fds: [fd] })
      closeSync(fd)
      expect(await receiver.receive()).toHaveLength(3)
      const closed = once(other, 'close')
      receiver.close()
      await closed
    })
  })
}
