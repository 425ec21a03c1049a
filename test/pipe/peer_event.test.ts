/** Where Windows tells only after a client's first byte who it is. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { SharedMemory, type NamedPipePeer } from '../../lib/index.js'
import { native, PipeEvent, pipeListeners } from '../../lib/pipe/native.js'
import { Outcome } from '../../lib/pipe/win32_errors.js'
import { replacePipeMethods } from '../support/peer_process.js'
import { onWindows, underWine } from '../support/platform.js'
import { connectTo, gone, listen, pipePair } from '../support/pipes.js'
import { closedAfterTest } from '../support/rings.js'

/** The first `refusals` questions about each client fail as Windows lets them. */
function impersonationIsRefused(refusals = 1): void {
  replacePipeMethods((self) => {
    let asked = 0
    const ask = self.identify.bind(self)
    return {
      identify() {
        if (asked++ >= refusals) {
          ask()
          return
        }
        const id = self.id()
        setImmediate(() => {
          pipeListeners.tell(id, PipeEvent.identified, Outcome.cannotImpersonate)
        })
      },
      ...(underWine && { process: () => ({ pid: process.pid, sessionId: 1 }) }),
    }
  })
}

describe.skipIf(!onWindows)('a client that cannot be impersonated yet', () => {
  test('is accepted as unknown, and a peer event follows its first byte', async () => {
    impersonationIsRefused()
    const [server, client] = await pipePair()
    expect(server.peer).toMatchObject({
      userSid: undefined,
      userName: undefined,
      sameUser: false,
      integrityLevel: undefined,
      elevated: undefined,
    })
    const events: string[] = []
    server.once('data', () => events.push('data'))
    server.on('peer', () => events.push('peer'))
    const told = once(server, 'peer') as Promise<[NamedPipePeer]>
    client.write('first')
    const [peer] = await told
    expect(peer).toBe(server.peer)
    expect(peer.userSid).toBe(native.currentUserSid())
    expect(peer.sameUser).toBe(true)
    client.write('second')
    await once(server, 'data')
    expect(events).toEqual(['data', 'peer'])
  })

  test('is told of with receive as well', async () => {
    impersonationIsRefused()
    const [server, client] = await pipePair({ mode: 'message' })
    const told = once(server, 'peer')
    await client.send(Buffer.from('x'))
    expect(String((await server.receive())?.data)).toBe('x')
    await told
    expect(server.peer.sameUser).toBe(true)
  })

  test('and sends nothing remains unknown', async () => {
    impersonationIsRefused()
    const [server, client] = await pipePair()
    let events = 0
    server.on('peer', () => events++)
    client.destroy()
    expect(await server.receive()).toBeUndefined()
    await gone(server)
    expect(events).toBe(0)
    expect(server.peer.userSid).toBeUndefined()
  })

  test('and cannot be impersonated later remains unknown, and the event says so', async () => {
    impersonationIsRefused(2)
    const [server, client] = await pipePair()
    const told = once(server, 'peer') as Promise<[NamedPipePeer]>
    await client.send(Buffer.from('x'))
    await server.receive()
    expect((await told)[0]).toMatchObject({ userSid: undefined, sameUser: false })
  })

  test('no event comes after close', async () => {
    impersonationIsRefused()
    const [server, client] = await pipePair()
    let events = 0
    server.on('peer', () => events++)
    server.once('data', () => server.destroy())
    client.write('x')
    await gone(server)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(events).toBe(0)
  })

  test('brings no handles before it is known', async () => {
    impersonationIsRefused()
    const options = { mode: 'message', handles: true } as const
    const [server, client] = await pipePair(options, options)
    const order: string[] = []
    server.on('peer', () => order.push('peer'))
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
    await client.send(Buffer.from('one'), { handles: [memory] })
    await client.send(Buffer.from('two'))
    client.end()
    const first = await server.receive()
    order.push(String(first?.data))
    expect(first?.handles.length).toBe(1)
    first?.handles[0]?.close()
    order.push(String((await server.receive())?.data))
    expect(await server.receive()).toBeUndefined()
    expect(order).toEqual(['peer', 'one', 'two'])
  })

  test('several receives wait for what comes before it is known, and get it in order', async () => {
    impersonationIsRefused()
    const options = { mode: 'message', handles: true } as const
    const [server, client] = await pipePair(options, options)
    const receiving = [server.receive(), server.receive(), server.receive()]
    await client.send(Buffer.from('one'))
    await client.send(Buffer.from('two'))
    client.end()
    const received = await Promise.all(receiving)
    expect(received.map((message) => message && String(message.data))).toEqual([
      'one',
      'two',
      undefined,
    ])
  })

  test('a server that closes while it asks leaves nothing behind', async () => {
    const server = await listen()
    impersonationIsRefused()
    const client = await connectTo(server)
    server.close()
    expect(await client.receive()).toBeUndefined()
  })
})
