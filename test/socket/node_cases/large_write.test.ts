import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import {
  closeOf,
  pairOf,
  sideBySide,
  codeOf,
  textOf,
  type Connection,
} from '../../support/side_by_side.js'

const mebibyte = 2 ** 20

function digest(...parts: readonly (Buffer | string)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

async function digestOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256')
  stream.on('data', (chunk: Buffer) => hash.update(chunk))
  await once(stream, 'end')
  return hash.digest('hex')
}

sideBySide('a large write', (implementation) => {
  test.each([65_535, 65_536, 65_537, mebibyte, 16 * mebibyte + 1])(
    'of %i bytes arrives whole, and its callback comes once',
    async (length) => {
      const [client, accepted] = await pairOf(implementation)
      const data = randomBytes(length)
      let calls = 0
      client.write(data, () => calls++)
      client.end()
      expect(await digestOf(accepted)).toBe(digest(data))
      await closeOf(client.resume())
      expect([calls, client.bytesWritten, accepted.bytesRead]).toEqual([1, length, length])
    },
  )

  test('as a string of 8 Mi characters of two bytes', async () => {
    const [client, accepted] = await pairOf(implementation)
    const text = 'é'.repeat(8 * mebibyte)
    client.end(text)
    expect(await digestOf(accepted)).toBe(digest(text))
    expect(accepted.bytesRead).toBe(16 * mebibyte)
  })

  test('as hexadecimal digits', async () => {
    const [client, accepted] = await pairOf(implementation)
    const data = randomBytes(mebibyte)
    client.end(data.toString('hex'), 'hex')
    expect(await digestOf(accepted)).toBe(digest(data))
  })

  test('does not finish before it is read: the callbacks come in order', async () => {
    const [client, accepted] = await pairOf(implementation)
    const calls: number[] = []
    for (let i = 0; i < 32; i++) client.write(Buffer.alloc(mebibyte, i), () => calls.push(i))
    for (let i = 0; i < 20; i++) await turn()
    expect(calls.length).toBeLessThan(32)
    client.end()
    accepted.resume()
    await closeOf(client.resume())
    expect(calls).toEqual(Array.from({ length: 32 }, (_, i) => i))
  })

  test('of many pieces of all lengths at once is put together in order', async () => {
    const [client, accepted] = await pairOf(implementation)
    const pieces = Array.from({ length: 2000 }, (_, i) => Buffer.alloc((i * 7) % 3000, i))
    client.cork()
    for (const piece of pieces) client.write(piece)
    client.uncork()
    client.end()
    expect(await digestOf(accepted)).toBe(digest(...pieces))
  })

  test('of strings and buffers mixed keeps their order', async () => {
    const [client, accepted] = await pairOf(implementation)
    const pieces = Array.from({ length: 500 }, (_, i) =>
      i % 2 === 0 ? `text ${String(i)};` : Buffer.from(`bytes ${String(i)};`),
    )
    for (const piece of pieces) client.write(piece)
    client.end()
    expect(await textOf(accepted)).toBe(pieces.join(''))
  })

  test('to a slow reader goes on by drains', async () => {
    const [client, accepted] = await pairOf(implementation)
    const chunk = Buffer.alloc(16_384, 'x')
    let drains = 0
    const sending = (async () => {
      for (let i = 0; i < 300; i++) {
        if (client.write(chunk)) continue
        await once(client, 'drain')
        drains++
      }
      client.end()
    })()
    let bytes = 0
    for await (const part of accepted) {
      bytes += (part as Buffer).length
      await turn()
    }
    await sending
    expect(bytes).toBe(300 * 16_384)
    expect(drains).toBeGreaterThan(0)
  })

  test('both ways at once', async () => {
    const [client, accepted] = await pairOf(implementation)
    const [one, two] = [randomBytes(4 * mebibyte), randomBytes(4 * mebibyte)]
    client.end(one)
    accepted.end(two)
    expect(await Promise.all([digestOf(accepted), digestOf(client)])).toEqual([
      digest(one),
      digest(two),
    ])
  })

  test('that its side destroys in the middle: the callback is told, the peer sees an end or a reset', async () => {
    const [client, accepted] = await pairOf(implementation)
    const told = new Promise((resolve) => client.write(Buffer.alloc(8 * mebibyte), resolve))
    await once(accepted, 'data')
    client.destroy()
    const error = await told
    // net of Node up to version 20 tells a write that was cut off nothing of that.
    if (implementation.isNode) expect(error === null || codeOf(error) === 'ECANCELED').toBe(true)
    else expect(error).toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    accepted.on('error', () => undefined)
    accepted.resume()
    await closeOf(accepted)
    expect(accepted.bytesRead).toBeLessThan(8 * mebibyte)
  })

  test('with a pipeline of small chunks', async () => {
    const [client, accepted] = await pairOf(implementation)
    const chunks = Array.from({ length: 5000 }, (_, i) => `${String(i)}\n`)
    const received = textOf(accepted)
    await pipeline(Readable.from(chunks), client)
    expect(await received).toBe(chunks.join(''))
  })

  test('ping and pong, a thousand times, is never late by one', async () => {
    const [client, accepted] = await pairOf(implementation)
    answer(accepted)
    for (let i = 0; i < 1000; i++) {
      client.write(`ping ${String(i)}`)
      const [data] = (await once(client, 'data')) as [Buffer]
      expect(data.toString()).toBe(`pong ${String(i)}`)
    }
  })
})

function answer(connection: Connection): void {
  connection.on('data', (chunk: Buffer) => {
    connection.write(chunk.toString().replace('ping', 'pong'))
  })
}
