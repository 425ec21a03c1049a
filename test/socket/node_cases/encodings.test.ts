import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { pairOf, sideBySide, type Connection } from '../../support/side_by_side.js'

async function chunksOf(connection: Connection): Promise<unknown[]> {
  const chunks: unknown[] = []
  connection.on('data', (chunk) => chunks.push(chunk))
  await once(connection, 'end')
  return chunks
}

const allBytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

sideBySide('encodings', (implementation) => {
  test('all 256 bytes go as they are', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end(allBytes)
    const chunks = (await chunksOf(accepted)) as Buffer[]
    expect(Buffer.concat(chunks).equals(allBytes)).toBe(true)
  })

  test.each(['latin1', 'binary', 'hex', 'base64', 'base64url'] as const)(
    'all 256 bytes are written and read as %s',
    async (encoding) => {
      const [client, accepted] = await pairOf(implementation)
      accepted.setEncoding(encoding)
      client.end(allBytes.toString(encoding), encoding)
      const text = (await chunksOf(accepted)).join('')
      expect(Buffer.from(text, encoding).equals(allBytes)).toBe(true)
    },
  )

  test.each(['utf8', 'utf16le', 'ucs2'] as const)(
    'text is written and read as %s',
    async (encoding) => {
      const [client, accepted] = await pairOf(implementation)
      const text = 'plain, ünïcödé, 漢字, 😀'.repeat(100)
      accepted.setEncoding(encoding)
      client.end(text, encoding)
      expect((await chunksOf(accepted)).join('')).toBe(text)
    },
  )

  test('ascii takes the lower seven bits when it is read', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.setEncoding('ascii')
    client.end(Buffer.from([0x41, 0xc1]))
    expect(await chunksOf(accepted)).toEqual(['AA'])
  })

  test('a character that comes byte by byte is given whole', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.setEncoding('utf8')
    const received = chunksOf(accepted)
    for (const byte of Buffer.from('😀é')) {
      await new Promise((resolve) => client.write(Buffer.from([byte]), resolve))
      await turn()
    }
    client.end()
    const chunks = (await received) as string[]
    expect(chunks.join('')).toBe('😀é')
    expect(chunks.join('')).not.toContain('\ufffd')
  })

  test('a character that is cut off by the end is a replacement', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.setEncoding('utf8')
    client.end(Buffer.from('é').subarray(0, 1))
    expect(await chunksOf(accepted)).toEqual(['\ufffd'])
  })

  test('setEncoding after data has come', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.write('first')
    await once(accepted, 'readable')
    accepted.setEncoding('hex')
    client.end('second')
    expect((await chunksOf(accepted)).join('')).toBe(
      Buffer.from('first').toString('hex') + Buffer.from('second').toString('hex'),
    )
  })

  test('setDefaultEncoding is that of strings without one', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.setDefaultEncoding('hex')
    client.write('616263')
    client.end('d', 'utf8')
    expect((await chunksOf(accepted)).join('')).toBe('abcd')
  })

  test('an encoding that there is not is refused', async () => {
    const [client] = await pairOf(implementation)
    const unknown = expect.objectContaining({ code: 'ERR_UNKNOWN_ENCODING' }) as Error
    expect(() => client.setDefaultEncoding('nonsense' as never)).toThrow(unknown)
    expect(() => client.setEncoding('nonsense' as never)).toThrow(unknown)
  })

  test('chunks are Buffers without setEncoding', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end('text')
    expect((await chunksOf(accepted)).every((chunk) => Buffer.isBuffer(chunk))).toBe(true)
  })
})
