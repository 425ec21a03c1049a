import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { closeOf, pairOf, sideBySide, textOf } from '../../support/side_by_side.js'

sideBySide('write', (implementation) => {
  test('calls its callback without an error, in a later turn', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    let called = false
    const told = new Promise<unknown>((resolve) =>
      client.write('x', (error) => {
        called = true
        resolve(error)
      }),
    )
    expect(called).toBe(false)
    expect((await told) ?? undefined).toBeUndefined()
  })

  test('calls the callbacks in the order of the writes, whatever their lengths', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const calls: number[] = []
    const lengths = [1, 100_000, 1, 0, 1_000_000, 5, 65_536, 0, 1]
    await Promise.all(
      lengths.map(
        (length, i) =>
          new Promise<void>((resolve) =>
            client.write(Buffer.alloc(length), () => {
              calls.push(i)
              resolve()
            }),
          ),
      ),
    )
    expect(calls).toEqual(lengths.map((_, i) => i))
  })

  test('of nothing is done at once and sends nothing', async () => {
    const [client, accepted] = await pairOf(implementation)
    await new Promise((resolve) => client.write('', resolve))
    await new Promise((resolve) => client.write(Buffer.alloc(0), resolve))
    client.end('after')
    expect(await textOf(accepted)).toBe('after')
  })

  test.each([
    ['a number', 5],
    ['an object', {}],
    ['an array', []],
    ['undefined', undefined],
    ['a boolean', true],
    ['a function', () => undefined],
  ])('of %s is refused at the call', async (_, chunk) => {
    const [client] = await pairOf(implementation)
    expect(() => client.write(chunk)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }) as Error,
    )
    expect(client.destroyed).toBe(false)
  })

  test('of null is refused at the call', async () => {
    const [client] = await pairOf(implementation)
    expect(() => client.write(null)).toThrow(
      expect.objectContaining({ code: 'ERR_STREAM_NULL_VALUES' }) as Error,
    )
  })

  test('with an encoding that there is not is refused', async () => {
    const [client] = await pairOf(implementation)
    client.on('error', () => undefined)
    expect(() => client.write('x', 'no-such-encoding' as never)).toThrow(
      expect.objectContaining({ code: 'ERR_UNKNOWN_ENCODING' }) as Error,
    )
  })

  test('in the callback of a write goes on in order', async () => {
    const [client, accepted] = await pairOf(implementation)
    let next = 0
    const more = () => {
      if (next === 100) client.end()
      else client.write(`${String(next++)},`, more)
    }
    more()
    expect(await textOf(accepted)).toBe(
      Array.from({ length: 100 }, (_, i) => `${String(i)},`).join(''),
    )
  })

  test('says true while there is room, false from the high-water mark on', async () => {
    const [client] = await pairOf(implementation)
    client.cork()
    const below = Buffer.alloc(client.writableHighWaterMark - 1)
    expect(client.write(below)).toBe(true)
    expect(client.write('x')).toBe(false)
    expect(client.writableNeedDrain).toBe(true)
  })

  test('that blocks is followed by one drain', async () => {
    const [client, accepted] = await pairOf(implementation)
    let drains = 0
    client.on('drain', () => drains++)
    expect(client.write(Buffer.alloc(2 ** 20))).toBe(false)
    accepted.resume()
    await once(client, 'drain')
    for (let i = 0; i < 10; i++) await turn()
    expect(drains).toBe(1)
    expect(client.writableLength).toBe(0)
  })

  test('that throws in its callback does not stop the stream', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve))
    const listeners = process.listeners('uncaughtException').slice(0, -1)
    for (const listener of listeners) process.off('uncaughtException', listener)
    client.write('x', () => {
      throw new Error('in the callback')
    })
    expect(await thrown).toMatchObject({ message: 'in the callback' })
    for (const listener of listeners) process.on('uncaughtException', listener)
    client.resume().end('y')
    await closeOf(client)
    expect(accepted.bytesRead).toBe(2)
  })

  test('whose bytes are changed after the callback has sent the old ones', async () => {
    const [client, accepted] = await pairOf(implementation)
    const bytes = Buffer.from('old')
    await new Promise((resolve) => client.write(bytes, resolve))
    bytes.write('new')
    client.end()
    expect(await textOf(accepted)).toBe('old')
  })

  test('takes all views of bytes', async () => {
    const [client, accepted] = await pairOf(implementation)
    const { buffer } = new Uint8Array([0, 97, 98, 99, 0])
    client.write(new Uint8Array(buffer, 1, 3))
    client.end(Buffer.from(buffer, 1, 3))
    expect(await textOf(accepted)).toBe('abcabc')
  })
})

sideBySide('cork', (implementation) => {
  test('holds back until uncork, and then all goes as one chunk', async () => {
    const [client, accepted] = await pairOf(implementation)
    let chunks = 0
    let text = ''
    accepted.on('data', (chunk: Buffer) => {
      chunks++
      text += chunk.toString()
    })
    client.cork()
    for (let i = 0; i < 10; i++) client.write(String(i))
    for (let i = 0; i < 10; i++) await turn()
    expect(text).toBe('')
    client.uncork()
    await once(accepted, 'data')
    expect([chunks, text]).toEqual([1, '0123456789'])
  })

  test('twice needs uncork twice', async () => {
    const [client, accepted] = await pairOf(implementation)
    let text = ''
    accepted.on('data', (chunk: Buffer) => (text += chunk.toString()))
    client.cork()
    client.cork()
    client.write('x')
    client.uncork()
    for (let i = 0; i < 10; i++) await turn()
    expect(text).toBe('')
    client.uncork()
    await once(accepted, 'data')
  })

  test('is ended by end', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.cork()
    client.write('a')
    client.end('b')
    expect(await textOf(accepted)).toBe('ab')
  })

  test('with a callback for each write calls each, in order', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const calls: number[] = []
    client.cork()
    const done = Promise.all(
      Array.from(
        { length: 200 },
        (_, i) =>
          new Promise<void>((resolve) =>
            client.write('x', () => {
              calls.push(i)
              resolve()
            }),
          ),
      ),
    )
    client.uncork()
    await done
    expect(calls).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  test('of more pieces than the system takes in one call', async () => {
    const [client, accepted] = await pairOf(implementation)
    const pieces = Array.from({ length: 5000 }, (_, i) => `${String(i)},`)
    client.cork()
    for (const piece of pieces) client.write(piece)
    client.uncork()
    client.end()
    expect(await textOf(accepted)).toBe(pieces.join(''))
  })

  test('in one turn by nextTick, as http does it', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.cork()
    process.nextTick(() => {
      client.uncork()
    })
    client.write('head ')
    client.write('body')
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('head body')
  })
})
