import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { Child } from '../../support/child.js'
import { sluiceError } from '../../support/rings.js'
import { closeOf, node, pairOf, sideBySide, sluice } from '../../support/side_by_side.js'
import { socketPath } from '../../support/sockets.js'
import { nextWarning } from '../../support/warnings.js'

/**
 * A time that began now and is longer than `milliseconds` is over. net's timers are not those that
 * a test can replace, so what must not come is awaited together with what must.
 */
async function longerThan(implementation: Parameters<typeof pairOf>[0], milliseconds: number) {
  const [sentinel] = await pairOf(implementation)
  sentinel.setTimeout(milliseconds * 2)
  await once(sentinel, 'timeout')
}

sideBySide('setTimeout', (implementation) => {
  test('emits timeout on an idle connection, and nothing else', async () => {
    const [client] = await pairOf(implementation)
    expect(client.setTimeout(5)).toBe(client)
    await once(client, 'timeout')
    expect(client.destroyed).toBe(false)
    expect(client.writable).toBe(true)
  })

  test('calls its callback, once', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.resume()
    let calls = 0
    client.setTimeout(5, () => calls++)
    await once(client, 'timeout')
    accepted.write('again')
    await once(client, 'timeout')
    expect(calls).toBe(1)
  })

  test('that is not up to traffic is up again after it', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.resume()
    client.setTimeout(5)
    for (let i = 0; i < 3; i++) {
      await once(client, 'timeout')
      accepted.write('x')
      await once(client, 'data')
    }
  })

  test('0 turns it off', async () => {
    const [client] = await pairOf(implementation)
    let timeouts = 0
    client.on('timeout', () => timeouts++)
    client.setTimeout(5)
    client.setTimeout(0)
    await longerThan(implementation, 5)
    expect(timeouts).toBe(0)
  })

  test('0 with the callback takes that away', async () => {
    const [client] = await pairOf(implementation)
    let calls = 0
    const callback = () => calls++
    client.setTimeout(5, callback)
    client.setTimeout(0, callback)
    expect(client.listenerCount('timeout')).toBe(0)
    client.setTimeout(5)
    await once(client, 'timeout')
    expect(calls).toBe(0)
  })

  test('a second one takes the place of the first', async () => {
    const [client] = await pairOf(implementation)
    let timeouts = 0
    client.on('timeout', () => timeouts++)
    client.setTimeout(5)
    client.setTimeout(600_000)
    await longerThan(implementation, 5)
    expect(timeouts).toBe(0)
  })

  test('ends with destroy', async () => {
    const [client] = await pairOf(implementation)
    let timeouts = 0
    client.on('timeout', () => timeouts++)
    client.setTimeout(5)
    client.destroy()
    await longerThan(implementation, 5)
    expect(timeouts).toBe(0)
  })

  test('after destroy begins nothing', async () => {
    const [client] = await pairOf(implementation)
    client.destroy()
    await closeOf(client)
    let timeouts = 0
    client.setTimeout(5, () => timeouts++)
    await longerThan(implementation, 5)
    // net starts it all the same, for a socket that may be connected again.
    expect(timeouts).toBeLessThanOrEqual(implementation.isNode ? 1 : 0)
  })

  test('comes while a write waits for a peer that does not read', async () => {
    const [client] = await pairOf(implementation)
    for (let i = 0; i < 64; i++) client.write(Buffer.alloc(65_536))
    client.setTimeout(5)
    await once(client, 'timeout')
    expect(client.writableLength).toBeGreaterThan(0)
  })

  test('comes when it is paused with data', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.pause()
    accepted.write('x')
    client.setTimeout(5)
    await once(client, 'timeout')
  })

  test('comes after its own end, while the peer has not ended', async () => {
    const [client] = await pairOf(implementation, { allowHalfOpen: true })
    client.end()
    client.resume()
    await once(client, 'finish')
    client.setTimeout(5)
    await once(client, 'timeout')
  })

  test('destroy in it is the usual answer', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    client.setTimeout(5, () => client.destroy())
    await closeOf(client)
    await closeOf(accepted)
  })

  test.each([-1, NaN, Infinity])(
    '%d milliseconds are refused at the call',
    async (milliseconds) => {
      const [client] = await pairOf(implementation)
      expect(() => client.setTimeout(milliseconds)).toThrow()
    },
  )

  test.each(['100', true, {}, null, undefined])(
    '%j instead of a number is refused at the call',
    async (milliseconds) => {
      const [client] = await pairOf(implementation)
      expect(() => client.setTimeout(milliseconds as never)).toThrow()
    },
  )

  test.each([1, 'x', {}])('%j instead of a callback is refused at the call', async (callback) => {
    const [client] = await pairOf(implementation)
    expect(() => client.setTimeout(5, callback as never)).toThrow()
    await turn()
    expect(client.listenerCount('timeout')).toBe(0)
  })

  test.each(['timeout', 'unref', 'unref and write', 'server unref', 'ref again'])(
    'what keeps a process alive: %s',
    async (what) => {
      const which = implementation.isNode ? 'net' : 'sluice'
      const child = new Child('alive.mjs', [which, socketPath(), what])
      const said: unknown = await child.next()
      expect(said).toBe(what === 'ref again' ? 'data' : 'ended by itself')
      await child.finish()
    },
  )
})

test('a time that is longer than timers can be: net warns and cuts it, here it is refused', async () => {
  const [theirs] = await pairOf(node)
  const [ours] = await pairOf(sluice)
  const warned = nextWarning()
  theirs.setTimeout(2 ** 31)
  expect((await warned).name).toBe('TimeoutOverflowWarning')
  expect(() => ours.setTimeout(2 ** 31)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
})
