/** Bytes that still come, and ends to be closed, when the peer has gone with bytes unread. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import { connectUnix, socketPair, type UnixConnection } from '../../lib/index.js'
import { openDescriptors, noMoreDescriptorsThan } from '../support/resources.js'
import { closedAfterTest } from '../support/rings.js'
import { listening } from '../support/sockets.js'

function pair(): [UnixConnection, UnixConnection] {
  const [one, other] = socketPair()
  return [closedAfterTest(one), closedAfterTest(other)]
}

/** The peer has sent, and closed without reading: what it sent comes first, then ECONNRESET. */
async function resetWithBytesWaiting(): Promise<UnixConnection> {
  const [peer, connection] = pair()
  await connection.send(Buffer.from('never read'))
  await peer.send(Buffer.from('hello'))
  peer.destroy()
  return connection
}

describe('a peer that closed with bytes of ours unread', () => {
  test('is told to the receive after the one that gets its last bytes', async () => {
    const connection = await resetWithBytesWaiting()
    expect((await connection.receive())?.data.toString()).toBe('hello')
    await expect(connection.receive()).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  test('ends a stream after its last bytes', async () => {
    const connection = await resetWithBytesWaiting()
    const chunks: Buffer[] = []
    connection.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [error] = (await once(connection, 'error')) as [unknown]
    expect(error).toMatchObject({ code: 'ECONNRESET' })
    expect(Buffer.concat(chunks).toString()).toBe('hello')
  })

  test('has a connection closed that has ended and is not read', async () => {
    const [peer, connection] = pair()
    connection.on('error', () => undefined)
    // Not the `once` of node:events, which rejects on an error.
    const closed = new Promise((resolve) => connection.once('close', resolve))
    connection.end('never read')
    await once(connection, 'finish')
    peer.destroy()
    await closed
  })
})

test('a receive that was cancelled after end() leaves the look-out for the end on', async () => {
  const [peer, connection] = pair()
  connection.end()
  await once(connection, 'finish')
  const cancelling = new AbortController()
  const receive = connection.receive({ signal: cancelling.signal })
  cancelling.abort(new Error('enough'))
  await expect(receive).rejects.toThrow('enough')
  const closed = once(connection, 'close')
  peer.end()
  await closed
})

describe('a chunk with descriptors that waits behind bytes', () => {
  test('is there for a read of more bytes than come before it', async () => {
    const server = await listening()
    const peer = closedAfterTest(await connectUnix(server.address))
    const connection = closedAfterTest(await server.accept())
    let descriptors = 0
    connection.on('fds', (fds: { close(): void }[]) => {
      for (const descriptor of fds) descriptor.close()
      descriptors += fds.length
    })
    const records: string[] = []
    connection.on('readable', () => {
      for (;;) {
        const record = connection.read(4) as Buffer | null
        if (record === null) return
        records.push(record.toString())
      }
    })
    const ended = once(connection, 'end')
    await peer.send(Buffer.from('12345'))
    while (connection.bytesRead < 5) await turn()
    await peer.send(Buffer.from('678'), { fds: [0] })
    peer.end()
    await ended
    expect(records).toEqual(['1234', '5678'])
    expect(descriptors).toBe(1)
  })

  test('has them closed when nobody listens for them any more', async () => {
    const ignore = () => undefined
    const server = await listening()
    const peer = closedAfterTest(await connectUnix(server.address))
    const connection = closedAfterTest(await server.accept())
    connection.on('fds', ignore)
    const readable = once(connection, 'readable')
    await peer.send(Buffer.from('before'))
    await readable
    const before = openDescriptors()
    await peer.send(Buffer.from('with'), { fds: [0] })
    while (connection.bytesRead < 10) await turn()
    connection.off('fds', ignore)
    let taken = ''
    connection.on('data', (chunk: Buffer) => (taken += chunk.toString()))
    while (taken.length < 10) await turn()
    await noMoreDescriptorsThan(before)
  })
})

describe('sends that go by the queue', () => {
  test.each<[string, (connection: UnixConnection) => Promise<void>]>([
    [
      'behind a write',
      (connection) => {
        connection.write('x')
        return connection.send(Buffer.from('y'))
      },
    ],
    [
      'corked',
      (connection) => {
        connection.cork()
        const sent = connection.send(Buffer.from('y'))
        connection.uncork()
        return sent
      },
    ],
  ])('%s let the loop run, too', async (_, sendOne) => {
    const [one, other] = socketPair('stream', { sendBufferSize: 1 << 22 })
    closedAfterTest(other).resume()
    closedAfterTest(one)
    let turned = false
    setImmediate(() => {
      turned = true
    })
    for (let count = 0; count < 1000; count++) await sendOne(one)
    expect(turned).toBe(true)
  })
})
