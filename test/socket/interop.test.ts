import { once } from 'node:events'
import { closeSync, fstatSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { connectUnix, UnixDatagram } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { closedAfterTest } from '../support/rings.js'
import { temporaryFolder } from '../support/folder.js'
import { abstractName, closeAll, listening, socketPath } from '../support/sockets.js'

describe.each([
  ['stream', 'a path'],
  ['seqpacket', 'a path'],
  ['stream', 'an abstract name'],
  ['seqpacket', 'an abstract name'],
] as const)('Python, %s, on %s', (type, where) => {
  const address = () => (where === 'a path' ? socketPath() : abstractName())

  test('as the server: bytes and descriptors come back as they went', async () => {
    const name = address()
    const child = new Child('python_server.py', [name, type], { program: 'python3' })
    expect(await child.next()).toBe('listening')
    const connection = closedAfterTest(await connectUnix(name, { type, maxDescriptors: 253 }))
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, 'content')
    const fd = openSync(path, 'r')
    for (const count of [0, 1, 64, 253]) {
      const fds = Array.from({ length: count }, () => fd)
      await connection.send(Buffer.from(`with ${String(count)}`), { fds })
      const message = await connection.receive()
      expect(message?.data.toString()).toBe(`with ${String(count)}`)
      expect(message?.fds).toHaveLength(count)
      const { ino } = statSync(path)
      expect(message?.fds.every(({ number }) => fstatSync(number).ino === ino)).toBe(true)
      closeAll(message?.fds ?? [])
    }
    closeSync(fd)
    connection.destroy()
    await child.finish()
  })

  test('as the client: its pipes are written into', async () => {
    const name = address()
    const server = await listening({ type }, name)
    const child = new Child('python_client.py', [name, type, 'a', 'bb', 'ccc'], {
      program: 'python3',
    })
    const connection = closedAfterTest(await server.accept())
    expect(connection.peer.pid).toBe(child.pid)
    for (const text of ['a', 'bb', 'ccc']) {
      const message = await connection.receive()
      expect(message?.data.toString()).toBe(text)
      expect(message?.fds.map(({ kind }) => kind)).toEqual(['pipe'])
      for (const descriptor of message?.fds ?? []) {
        writeSync(descriptor.number, `through the pipe of ${text}`)
        descriptor.close()
      }
      await connection.send(Buffer.from(text.toUpperCase()))
      expect(await child.next()).toEqual({
        data: text.toUpperCase(),
        fds: 0,
        pipe: `through the pipe of ${text}`,
      })
    }
    expect(await connection.receive()).toBeUndefined()
    await child.finish()
  })
})

test('Python datagrams, both ways, with credentials', async () => {
  const [mine, theirs] = [socketPath(), socketPath()]
  const socket = closedAfterTest(await UnixDatagram.bind(mine, { credentials: true }))
  const child = new Child('python_datagram.py', [mine, theirs], { program: 'python3' })
  const { data, from, credentials } = await socket.receive()
  expect([data.toString(), from]).toEqual(['from Python', theirs])
  expect(credentials?.pid).toBe(child.pid)
  await socket.send(Buffer.from('to Python'), theirs)
  expect(await child.next()).toEqual({
    data: 'to Python',
    pid: process.pid,
    uid: process.getuid?.(),
  })
  await child.finish()
})

describe("Node's net", () => {
  test('as the client', async () => {
    const server = await listening()
    const client = createConnection(server.address)
    const connection = closedAfterTest(await server.accept())
    client.end('from net')
    expect((await connection.receive())?.data.toString()).toBe('from net')
    connection.end('to net')
    client.setEncoding('utf8')
    expect(await client.toArray()).toEqual(['to net'])
  })

  test('as the server', async () => {
    const path = socketPath()
    const server = createServer({ allowHalfOpen: true })
    await once(server.listen(path), 'listening')
    const connection = closedAfterTest(await connectUnix(path))
    const [socket] = (await once(server, 'connection')) as [Socket]
    connection.end('to net')
    socket.setEncoding('utf8')
    expect(((await once(socket, 'data')) as [string])[0]).toBe('to net')
    socket.end('from net')
    expect((await connection.receive())?.data.toString()).toBe('from net')
    server.close()
  })
})
