import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { closeOf, pairOf, sideBySide, textOf } from '../../support/side_by_side.js'

sideBySide('bytesRead and bytesWritten', (implementation) => {
  test('are 0 at first', async () => {
    for (const end of await pairOf(implementation)) {
      expect([end.bytesRead, end.bytesWritten]).toEqual([0, 0])
    }
  })

  test('count both directions', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end('12345')
    accepted.end('123')
    await Promise.all([textOf(client), textOf(accepted)])
    expect([client.bytesWritten, client.bytesRead]).toEqual([5, 3])
    expect([accepted.bytesWritten, accepted.bytesRead]).toEqual([3, 5])
  })

  test('count bytes, not characters', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.write('é€')
    client.write('c3a9', 'hex')
    client.write('w6k=', 'base64')
    client.end(Buffer.from('é'))
    expect(await textOf(accepted)).toBe('é€ééé')
    expect([client.bytesWritten, accepted.bytesRead]).toEqual([11, 11])
  })

  test('count bytes when strings are read', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.setEncoding('utf8')
    client.end('é€')
    expect(await textOf(accepted)).toBe('é€')
    expect(accepted.bytesRead).toBe(5)
  })

  test('stay after close', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.resume().end('12345')
    accepted.resume().end('123')
    await Promise.all([closeOf(client), closeOf(accepted)])
    expect([client.bytesWritten, client.bytesRead]).toEqual([5, 3])
    expect([accepted.bytesWritten, accepted.bytesRead]).toEqual([3, 5])
  })

  test('are there in the close event', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const counts = new Promise((resolve) =>
      client.once('close', () => {
        resolve([client.bytesRead, client.bytesWritten])
      }),
    )
    client.resume().end('12345')
    expect(await counts).toEqual([0, 5])
  })

  test('count what several writes in one turn put together', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.cork()
    for (let i = 0; i < 100; i++) client.write('0123456789')
    client.uncork()
    client.end()
    await textOf(accepted)
    expect([client.bytesWritten, accepted.bytesRead]).toEqual([1000, 1000])
  })

  test('of a reader that is paused: no more than was read', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.write('x')
    await once(accepted, 'data')
    accepted.pause()
    expect(accepted.bytesRead).toBe(1)
  })

  test('grow with the traffic, and never shrink', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    let last = 0
    for (let i = 1; i <= 100; i++) {
      await new Promise((resolve) => client.write('x'.repeat(i), resolve))
      expect(client.bytesWritten).toBeGreaterThan(last)
      last = client.bytesWritten
    }
    expect(last).toBe(5050)
  })

  test('what waits in the stream counts as written in net; here what the system has taken does', async () => {
    const [client] = await pairOf(implementation)
    client.cork()
    client.write('12345')
    await turn()
    // So that the number says how much can have arrived.
    expect(client.bytesWritten).toBe(implementation.isNode ? 5 : 0)
    expect(client.writableLength).toBe(5)
    client.uncork()
    await turn()
    expect(client.bytesWritten).toBe(5)
  })

  test('of a write that was cut off by destroy', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.write(Buffer.alloc(2 ** 23))
    await once(accepted, 'data')
    client.destroy()
    await closeOf(client)
    accepted.on('error', () => undefined)
    accepted.resume()
    await closeOf(accepted)
    if (implementation.isNode) expect(client.bytesWritten).toBe(2 ** 23)
    else expect(client.bytesWritten).toBe(accepted.bytesRead)
  })
})
