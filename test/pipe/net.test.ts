/** Node's own net at the other end. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { connectNamedPipe } from '../../lib/index.js'
import { onWindows } from '../support/platform.js'
import { allOf, listen, netClient, netServer, pipeName, quiet } from '../support/pipes.js'
import { closedAfterTest } from '../support/rings.js'

const path = () => `\\\\.\\pipe\\${pipeName()}`

describe.skipIf(!onWindows)('with net', () => {
  test.each(['byte', 'message'] as const)('as client of a server of mode %s', async (mode) => {
    const server = await listen({ mode })
    const socket = await netClient(server.address)
    const connection = quiet(closedAfterTest(await server.accept()))
    socket.write('from net')
    expect(String((await connection.receive())?.data)).toBe('from net')
    await connection.send(Buffer.from('to net'))
    const [data] = (await once(socket, 'data')) as [Buffer]
    expect(String(data)).toBe('to net')
    expect(connection.peer.sameUser).toBe(true)
    socket.destroy()
    expect(await connection.receive()).toBeUndefined()
  })

  test('as client that reads to the end', async () => {
    const server = await listen()
    const socket = await netClient(server.address)
    const connection = quiet(closedAfterTest(await server.accept()))
    const data = Buffer.alloc(300_000, 'abc')
    connection.end(data)
    expect((await allOf(socket)).equals(data)).toBe(true)
  })

  test('as server', async () => {
    const address = path()
    await netServer(address, (socket) => {
      quiet(socket).on('data', (data) => socket.write(`echo ${String(data)}`))
    })
    const client = quiet(closedAfterTest(await connectNamedPipe(address, { server: 'any' })))
    await client.send(Buffer.from('x'))
    expect(String((await client.receive())?.data)).toBe('echo x')
  })

  test('as server that ends', async () => {
    const address = path()
    const data = Buffer.alloc(300_000, 'abc')
    await netServer(address, (socket) => {
      quiet(socket).end(data)
    })
    const client = quiet(closedAfterTest(await connectNamedPipe(address, { server: 'any' })))
    expect((await allOf(client)).equals(data)).toBe(true)
  })
})
