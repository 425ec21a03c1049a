import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { connectUnix } from '../../../lib/index.js'
import {
  closeOf,
  destroyedAfterTest,
  listenFor,
  pairOf,
  sideBySide,
  textOf,
} from '../../support/side_by_side.js'
import { connected, socketPath } from '../../support/sockets.js'

sideBySide('pause and resume', (implementation) => {
  test('a connection that nobody reads loses nothing', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end('kept')
    for (let i = 0; i < 20; i++) await turn()
    expect(accepted.readableEnded).toBe(false)
    expect(await textOf(accepted)).toBe('kept')
  })

  test('paused before the first byte: no data until resume', async () => {
    const [client, accepted] = await pairOf(implementation)
    let received = ''
    accepted.pause()
    accepted.on('data', (chunk: Buffer) => (received += chunk.toString()))
    expect(accepted.isPaused()).toBe(true)
    client.write('x')
    for (let i = 0; i < 20; i++) await turn()
    expect(received).toBe('')
    accepted.resume()
    await once(accepted, 'data')
    expect(received).toBe('x')
  })

  test('paused in a data listener: exactly that chunk, the rest after resume', async () => {
    const [client, accepted] = await pairOf(implementation)
    const seen: string[] = []
    accepted.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString())
      accepted.pause()
    })
    for (const text of ['one', 'two', 'three']) {
      client.write(text)
      accepted.resume()
      await once(accepted, 'pause')
    }
    expect(seen).toEqual(['one', 'two', 'three'])
  })

  test('paused and resumed at once goes on', async () => {
    const [client, accepted] = await pairOf(implementation)
    let received = ''
    accepted.on('data', (chunk: Buffer) => {
      received += chunk.toString()
      accepted.pause()
      accepted.resume()
    })
    for (let i = 0; i < 100; i++) {
      client.write('x')
      await turn()
    }
    client.end()
    await once(accepted, 'end')
    expect(received).toBe('x'.repeat(100))
  })

  test('paused while ten writes come: they come together after it', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.on('data', () => undefined)
    accepted.pause()
    let sent = ''
    for (let i = 0; i < 10; i++) {
      client.write(String(i))
      sent += String(i)
      await turn()
    }
    client.end()
    expect(await textOf(accepted.resume())).toBe(sent)
  })

  test('paused on the connection event, resumed later', async () => {
    const listener = await listenFor(implementation)
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    const accepted = destroyedAfterTest(await listener.accept())
    accepted.pause()
    client.write('early')
    for (let i = 0; i < 10; i++) await turn()
    accepted.resume()
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('early')
  })

  test('a paused side still writes, and sees that the peer has ended only after resume', async () => {
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    accepted.pause()
    client.end('q')
    accepted.write('a')
    expect(String(((await once(client, 'data')) as [Buffer])[0])).toBe('a')
    let ended = false
    accepted.once('end', () => (ended = true))
    for (let i = 0; i < 10; i++) await turn()
    expect(ended).toBe(false)
    accepted.resume()
    await once(accepted, 'end')
    accepted.end()
    client.resume()
    await closeOf(client)
  })

  test('the data event, readable and pipe each take turns', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.write('data')
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('data')
    accepted.pause()
    accepted.removeAllListeners('data')
    client.write('readable')
    await once(accepted, 'readable')
    expect(String(accepted.read())).toBe('readable')
    accepted.removeAllListeners('readable')
    const target = new PassThrough()
    expect(accepted.pipe(target)).toBe(target)
    client.end('piped')
    expect(await textOf(target)).toBe('piped')
  })

  test('unpipe stops in time: what comes next is not lost', async () => {
    const [client, accepted] = await pairOf(implementation)
    const target = new PassThrough()
    accepted.pipe(target)
    client.write('one')
    expect(String(((await once(target, 'data')) as [Buffer])[0])).toBe('one')
    accepted.unpipe(target)
    client.end('two')
    expect(await textOf(accepted.resume())).toBe('two')
  })

  test('memory is bounded by the high-water mark while paused', async () => {
    const [client, accepted] = await pairOf(implementation)
    const chunk = Buffer.alloc(65_536)
    let sent = 0
    while (client.writableLength < 2 ** 20) {
      client.write(chunk)
      sent += chunk.length
      await turn()
    }
    expect(accepted.readableLength).toBeLessThanOrEqual(4 * accepted.readableHighWaterMark)
    client.end()
    let received = 0
    accepted.on('data', (part: Buffer) => (received += part.length))
    await once(accepted, 'end')
    expect(received).toBe(sent)
  })
})

test('net reads ahead unless pauseOnConnect; here nothing is read before somebody wants it', async () => {
  const path = socketPath()
  const theirs = createServer()
  theirs.listen(path)
  await once(theirs, 'listening')
  const connection = destroyedAfterTest(await connectUnix(path))
  const [socket] = (await once(theirs, 'connection')) as [Socket]
  destroyedAfterTest(socket)
  await connection.send(Buffer.from('ahead'))
  for (let i = 0; i < 10; i++) await turn()
  expect(socket.bytesRead).toBe(5)
  theirs.close()
  const { client, accepted } = await connected()
  await client.send(Buffer.from('ahead'))
  for (let i = 0; i < 10; i++) await turn()
  // So that receive, or a handing over of the descriptor, finds all of it.
  expect(accepted.bytesRead).toBe(0)
  expect((await accepted.receive())?.data.toString()).toBe('ahead')
})
