/** Admission, counts and the graceful end of servers and connections, over every transport. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import { Server, type Connection } from '../../lib/index.js'
import { idleAcceptor } from '../support/idle_acceptor.js'
import { onWindows } from '../support/platform.js'
import { eventually } from '../support/resources.js'
import { sluiceError } from '../support/rings.js'
import { kept, serverKinds, untilTestEnds, type KindOptions } from '../support/server_kinds.js'
import { nextWarning } from '../support/warnings.js'

describe.each(serverKinds)('servers %s', (_, kind) => {
  const { serve, connect } = untilTestEnds(kind)
  const accept = async (server: Server) => kept(await server.accept())

  /** Both ends of one connection. */
  async function connected(options: KindOptions = {}): Promise<{
    server: Server
    client: Connection
    accepted: Connection
  }> {
    const { server, address } = await serve(options)
    const [client, accepted] = await Promise.all([connect(address), accept(server)])
    return { server, client, accepted }
  }

  test('let in only connections for which authorize says true, and count the others', async () => {
    const answers = [true, false, Promise.resolve(true), Promise.resolve(false)]
    const { server, address } = await serve({
      authorize: (peer) => {
        expect(peer.sameUser).toBe(true)
        return answers.shift() ?? false
      },
    })
    const first = server.accept()
    const second = server.accept()
    for (let i = 0; i < 4; i++) await connect(address)
    kept(await first)
    kept(await second)
    await eventually(() => server.stats().rejected.authorize === 2)
    expect(server.stats()).toMatchObject({ open: 2, waiting: 0, admitted: 2 })
  })

  test('refuse a connection when authorize throws, with a warning', async () => {
    const warning = nextWarning()
    const { server, address } = await serve({
      authorize: () => {
        throw new Error('broken')
      },
    })
    const accepted = server.accept({ timeout: 60_000 }).catch((error: unknown) => error)
    const client = await connect(address)
    client.resume()
    if (!client.closed) await once(client, 'close')
    expect(await warning).toMatchObject({ code: 'SLUICE_AUTHORIZE_FAILED' })
    expect(server.stats()).toMatchObject({ open: 0, rejected: { authorize: 1 } })
    server.close()
    expect(await accepted).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('shutdown waits for connections that end by themselves', async () => {
    const { server, client, accepted } = await connected()
    client.resume()
    accepted.resume()
    const done = server.shutdown()
    expect(server.closed).toBe(true)
    accepted.end()
    client.end()
    expect(await done).toEqual({ finished: 1, cutOff: 0 })
  })

  test('shutdown cuts off what is left after its time, and when its signal aborts', async () => {
    const first = await connected()
    expect(await first.server.shutdown({ timeout: 5 })).toEqual({ finished: 0, cutOff: 1 })
    expect(first.accepted.destroyed).toBe(true)
    const second = await connected()
    const stop = new AbortController()
    const done = second.server.shutdown({ signal: stop.signal })
    stop.abort()
    expect(await done).toEqual({ finished: 0, cutOff: 1 })
    expect(await second.server.shutdown({ timeout: 0 })).toEqual({ finished: 0, cutOff: 0 })
  })

  test('closeWrite resolves when everything is written, and the peer sees the end', async () => {
    const { client, accepted } = await connected()
    await client.send(Buffer.from('last'))
    const [, message] = await Promise.all([client.closeWrite(), accepted.receive()])
    expect(String(message?.data)).toBe('last')
    expect(await accepted.receive()).toBeUndefined()
    await client.closeWrite()
  })

  test('closeWrite can be cancelled; it rejects on a connection that is closed', async () => {
    const { client } = await connected()
    const reason = new Error('enough')
    await expect(client.closeWrite({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    client.destroy()
    await expect(client.closeWrite()).rejects.toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('abort rejects everything that waits with its reason, and no error event follows', async () => {
    const { client } = await connected()
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    const reason = new Error('enough')
    const receiving = client.receive()
    client.abort(reason)
    await expect(receiving).rejects.toBe(reason)
    await expect(client.send(Buffer.from('x'))).rejects.toBe(reason)
    if (!client.closed) await once(client, 'close')
    await turn()
    expect(errors).toEqual([])
  })

  test('two shutdowns at once both hear that the server is empty, and count alike', async () => {
    const { server, client, accepted } = await connected()
    client.resume()
    accepted.resume()
    const both = Promise.all([server.shutdown(), server.shutdown()])
    accepted.end()
    client.end()
    expect(await both).toEqual([
      { finished: 1, cutOff: 0 },
      { finished: 1, cutOff: 0 },
    ])
    const second = await connected()
    const cut = await Promise.all([
      second.server.shutdown({ timeout: 5 }),
      second.server.shutdown({ timeout: 10 }),
    ])
    expect(cut).toEqual([
      { finished: 0, cutOff: 1 },
      { finished: 0, cutOff: 1 },
    ])
  })

  test('a connection that authorize has destroyed is not admitted', async () => {
    const address = kind.address()
    const server = await kind.listen(address, {
      authorize: (_peer, connection) => {
        connection.destroy()
        return true
      },
    })
    onTestFinished(() => {
      server.close()
    })
    const accepted = server.accept().catch((error: unknown) => error)
    const client = await connect(address)
    client.resume()
    if (!client.closed) await once(client, 'close')
    expect(server.stats()).toMatchObject({ admitted: 0, rejected: { authorize: 1 } })
    server.close()
    expect(await accepted).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('anything can be thrown by authorize', async () => {
    const warning = nextWarning()
    const { server, address } = await serve({
      authorize: () => {
        throw Object.create(null)
      },
    })
    const accepted = server.accept().catch((error: unknown) => error)
    const client = await connect(address)
    client.resume()
    if (!client.closed) await once(client, 'close')
    expect(await warning).toMatchObject({ code: 'SLUICE_AUTHORIZE_FAILED' })
    server.close()
    expect(await accepted).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('many calls of closeWrite can wait, and no warning comes of it', async () => {
    const { client, accepted } = await connected()
    client.write(Buffer.alloc(2 ** 20))
    const closing = Array.from({ length: 20 }, () => client.closeWrite())
    accepted.resume()
    await Promise.all(closing)
  })

  test('after end() and one more receive, the end of the peer closes the connection', async () => {
    const { client, accepted } = await connected()
    if (onWindows) return // a pipe of bytes has no half-close
    await client.closeWrite()
    await accepted.send(Buffer.from('x'))
    await eventually(() => accepted.bytesWritten === 1)
    expect(String((await client.receive())?.data)).toBe('x')
    const closed = once(client, 'close')
    accepted.end()
    await closed
  })

  test('abort with a reason that is no error fails the callback of a write all the same', async () => {
    const { client } = await connected()
    const written = new Promise<unknown>((resolve) => {
      client.write(Buffer.alloc(2 ** 24), resolve)
    })
    client.abort(0)
    expect(await written).toEqual(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('sends that one signal cancels leave nothing, and the connection lives', async () => {
    const { client, accepted } = await connected()
    const stop = new AbortController()
    const first = Buffer.alloc(2 ** 21, 1)
    const whole = client.send(first)
    const cancelled = Array.from({ length: 8 }, () =>
      client
        .send(Buffer.alloc(2 ** 21, 2), { signal: stop.signal })
        .catch((error: unknown) => error),
    )
    stop.abort(new Error('enough'))
    expect(await Promise.all(cancelled)).toEqual(Array(8).fill(stop.signal.reason))
    client.end()
    const received: Buffer[] = []
    for await (const chunk of accepted) received.push(chunk as Buffer)
    await whole
    expect(Buffer.concat(received).equals(first)).toBe(true)
  })
})

test('a server that is made with an aborted signal is closed', () => {
  const server = new Server(idleAcceptor, { signal: AbortSignal.abort() })
  expect(server.closed).toBe(true)
})
