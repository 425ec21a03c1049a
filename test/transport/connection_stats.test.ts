/** The counts that a connection tells of itself. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { eventually } from '../support/resources.js'
import { serverKinds, kept, untilTestEnds } from '../support/server_kinds.js'

describe.each(serverKinds)('a connection %s', (_, kind) => {
  const { serve, connect } = untilTestEnds(kind)
  const pair = async () => {
    const { server, address } = await serve()
    const [client, accepted] = await Promise.all([connect(address), server.accept()])
    return [client, kept(accepted)] as const
  }

  test('has counted nothing at first', async () => {
    const [one] = await pair()
    expect(one.stats()).toEqual({
      bytesRead: 0,
      bytesWritten: 0,
      waitingSends: 0,
      waitingReceives: 0,
      queuedBytes: 0,
      unreadBytes: 0,
      blockedMs: 0,
    })
  })

  test('counts bytes, and those that wait', async () => {
    const [one, other] = await pair()
    const receives = [other.receive(), other.receive()]
    expect(other.stats().waitingReceives).toBe(2)
    await one.send(Buffer.from('abc'))
    await receives[0]
    expect(other.stats()).toMatchObject({ bytesRead: 3, waitingReceives: 1 })
    await eventually(() => one.stats().bytesWritten === 3)
    one.end()
    await receives[1]
  })

  test('tells for how long the peer has not taken what there is', async () => {
    const [one, other] = await pair()
    const written = 64 * 65536
    for (let i = 0; i < 64; i++) one.write(Buffer.alloc(65536))
    const sending = one.send(Buffer.alloc(10))
    await eventually(() => one.stats().blockedMs > 20)
    const { queuedBytes, waitingSends, bytesWritten } = one.stats()
    expect(queuedBytes).toBeGreaterThan(0)
    expect(waitingSends).toBe(1)
    expect(bytesWritten).toBeLessThan(written)

    let read = 0
    other.on('data', (chunk: Buffer) => (read += chunk.length))
    await sending
    await eventually(() => read === written + 10)
    await eventually(() => one.stats().queuedBytes === 0)
    const { blockedMs } = one.stats()
    expect(blockedMs).toBeGreaterThan(20)
    expect(one.stats()).toMatchObject({ bytesWritten: written + 10, waitingSends: 0, blockedMs })
  })

  test('answers after its end', async () => {
    const [one, other] = await pair()
    await one.send(Buffer.from('abc'))
    await other.receive()
    one.destroy()
    if (!one.closed) await once(one, 'close')
    expect(one.stats()).toMatchObject({ bytesWritten: 3, waitingSends: 0 })
  })
})
