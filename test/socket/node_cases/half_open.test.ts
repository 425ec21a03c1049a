import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import {
  closeOf,
  destroyedAfterTest,
  listenFor,
  pairOf,
  recorded,
  sideBySide,
  textOf,
} from '../../support/side_by_side.js'

sideBySide('half-open', (implementation) => {
  test('allowed: after its own end a side still reads', async () => {
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    client.end('question')
    expect(await textOf(accepted)).toBe('question')
    expect(client.destroyed).toBe(false)
    accepted.write('an')
    accepted.end('swer')
    expect(await textOf(client)).toBe('answer')
    await Promise.all([closeOf(client), closeOf(accepted)])
  })

  test("allowed: after the peer's end a side is open until it ends itself", async () => {
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    accepted.resume()
    client.resume()
    client.end()
    await once(accepted, 'end')
    for (let i = 0; i < 10; i++) await turn()
    expect([accepted.readableEnded, accepted.writableEnded, accepted.destroyed]).toEqual([
      true,
      false,
      false,
    ])
    expect(client.destroyed).toBe(false)
    accepted.end()
    await Promise.all([closeOf(client), closeOf(accepted)])
  })

  test('not allowed, the default: the answer to the end is an end', async () => {
    const [client, accepted] = await pairOf(implementation)
    expect([client.allowHalfOpen, accepted.allowHalfOpen]).toEqual([false, false])
    accepted.resume()
    client.resume()
    const events = recorded(accepted, ['end', 'finish', 'close'])
    client.end()
    await Promise.all([closeOf(client), closeOf(accepted)])
    expect(events).toEqual(['end', 'finish', 'close'])
  })

  test('not allowed: what is written in the end event still goes', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.once('end', () => {
      accepted.write('last ')
      accepted.end('words')
    })
    accepted.resume()
    client.end()
    expect(await textOf(client)).toBe('last words')
  })

  test('not allowed: what was written before the end event all goes', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.write(Buffer.alloc(2 ** 21, 'x'))
    accepted.resume()
    client.end()
    expect((await textOf(client)).length).toBe(2 ** 21)
    await closeOf(accepted)
  })

  test('each side decides for itself', async () => {
    const listener = await listenFor(implementation, { allowHalfOpen: true })
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    const accepted = destroyedAfterTest(await listener.accept())
    expect([client.allowHalfOpen, accepted.allowHalfOpen]).toEqual([false, true])
    client.resume()
    accepted.end()
    await once(client, 'finish')
    accepted.resume()
    await Promise.all([closeOf(client), closeOf(accepted)])
  })

  test('allowed: destroy ends both directions at once', async () => {
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    client.end()
    accepted.resume()
    await once(accepted, 'end')
    client.destroy()
    await closeOf(client)
    accepted.on('error', () => undefined)
    const writing = setInterval(() => accepted.write('to nobody'), 1)
    await closeOf(accepted)
    clearInterval(writing)
    expect(accepted.errored).toMatchObject({ message: expect.stringContaining('EPIPE') as string })
  })

  test("a side that never reads does not see the other's end, and does not close", async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end('unread')
    for (let i = 0; i < 20; i++) await turn()
    expect([accepted.readableEnded, accepted.writableEnded]).toEqual([false, false])
    expect(await textOf(accepted)).toBe('unread')
    await closeOf(accepted)
  })

  test('an empty exchange: both end without a byte', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end()
    accepted.end()
    expect(await Promise.all([textOf(client), textOf(accepted)])).toEqual(['', ''])
    await Promise.all([closeOf(client), closeOf(accepted)])
  })

  test('pipe to itself: an echo ends with its source', async () => {
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    expect(accepted.pipe(accepted)).toBe(accepted)
    client.write('there ')
    client.end('and back')
    expect(await textOf(client)).toBe('there and back')
    await closeOf(accepted)
  })
})
