import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import {
  closeOf,
  pairOf,
  recorded,
  sideBySide,
  codeOf,
  textOf,
  type Connection,
} from '../../support/side_by_side.js'

/** The argument that the callback of a write is called with. */
function written(connection: Connection, chunk: string | Buffer): Promise<unknown> {
  return new Promise((resolve) => connection.write(chunk, resolve))
}

sideBySide('a write that comes too late', (implementation) => {
  test('after end: an error event and the callback, ERR_STREAM_WRITE_AFTER_END', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const failed = once(client, 'error') as Promise<[Error]>
    client.end()
    const told = written(client, 'late')
    expect(await failed).toMatchObject([{ code: 'ERR_STREAM_WRITE_AFTER_END' }])
    expect(await told).toMatchObject({ code: 'ERR_STREAM_WRITE_AFTER_END' })
    await closeOf(client)
  })

  test('after end: write says false, and nothing of it arrives', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.on('error', () => undefined)
    client.end('in time')
    expect(client.write('late')).toBe(false)
    expect(client.writable).toBe(false)
    const chunks: Buffer[] = []
    accepted.on('data', (chunk: Buffer) => chunks.push(chunk))
    accepted.on('error', () => undefined)
    await closeOf(accepted)
    expect(Buffer.concat(chunks).toString()).not.toContain('late')
  })

  test('in the finish callback of end', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const failed = once(client, 'error') as Promise<[Error]>
    client.end(() => client.write('late'))
    expect(await failed).toMatchObject([{ code: 'ERR_STREAM_WRITE_AFTER_END' }])
  })

  test("after the peer's end was answered", async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    client.end()
    await once(accepted, 'finish')
    accepted.on('error', () => undefined)
    // net makes up an EPIPE that no system call said; here it is what every stream says, and either
    // way the connection may have closed by now.
    const codes = [implementation.isNode ? 'EPIPE' : 'ERR_STREAM_WRITE_AFTER_END']
    expect([...codes, 'ERR_STREAM_DESTROYED']).toContain(
      ((await written(accepted, 'late')) as NodeJS.ErrnoException).code,
    )
  })

  test('after destroy: the callback is told, without an error event', async () => {
    const [client] = await pairOf(implementation)
    const events = recorded(client, ['error', 'close'])
    client.destroy()
    expect(await written(client, 'late')).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
    await closeOf(client)
    await turn()
    expect(events).toEqual(['close'])
  })

  test('after close: as after destroy', async () => {
    const [client] = await pairOf(implementation)
    client.destroy()
    await closeOf(client)
    expect(await written(client, 'late')).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
    expect(client.write('late')).toBe(false)
  })

  test('end after end is no error; its callback is told', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    client.resume()
    client.end('x')
    client.end()
    const told = await new Promise((resolve) => client.end(resolve))
    expect(told === undefined || told === null).toBe(true)
    await closeOf(client)
    const late = await new Promise((resolve) => client.end(resolve))
    expect(late).toMatchObject({ code: 'ERR_STREAM_ALREADY_FINISHED' })
  })

  test('end with data after end is an error', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const failed = once(client, 'error') as Promise<[Error]>
    client.end('x')
    client.end('late')
    expect(await failed).toMatchObject([{ code: 'ERR_STREAM_WRITE_AFTER_END' }])
  })

  test('end after destroy does nothing', async () => {
    const [client] = await pairOf(implementation)
    const events = recorded(client, ['error', 'finish', 'close'])
    client.destroy()
    client.end('late')
    await closeOf(client)
    await turn()
    expect(events).toEqual(['close'])
  })

  test('to a peer that was destroyed: EPIPE or ECONNRESET, then close', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.destroy()
    await closeOf(accepted)
    const events = recorded(client, ['error', 'close'])
    let failure: unknown
    client.on('error', (error) => (failure = error))
    // The first may still go, if the end has not been seen.
    const told = [await written(client, 'x'), await written(client, 'x')]
    await closeOf(client)
    expect(['EPIPE', 'ECONNRESET']).toContain(codeOf(failure))
    expect(events).toEqual(['error', 'close'])
    expect(told.at(-1)).toBeInstanceOf(Error)
  })

  test('to a peer that had unread bytes when it was destroyed: a reset', async () => {
    const [client, accepted] = await pairOf(implementation)
    await written(client, 'never read')
    accepted.destroy()
    await closeOf(accepted)
    client.on('error', () => undefined)
    client.resume()
    await closeOf(client)
    expect(codeOf(client.errored)).toBe('ECONNRESET')
  })

  test('what the peer wrote before it was destroyed is still read', async () => {
    const [client, accepted] = await pairOf(implementation)
    await written(accepted, 'last words')
    accepted.destroy()
    await closeOf(accepted)
    expect(await textOf(client)).toBe('last words')
  })

  test('of nothing, to a peer that has gone', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.on('error', () => undefined)
    accepted.destroy()
    await closeOf(accepted)
    client.end()
    client.resume()
    await closeOf(client)
    expect(client.errored ?? undefined).toBeUndefined()
  })
})
