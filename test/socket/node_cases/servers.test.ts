import { EventEmitter, once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { Child } from '../../support/child.js'
import { openDescriptors, noMoreDescriptorsThan } from '../../support/resources.js'
import { sluiceError } from '../../support/rings.js'
import {
  closeOf,
  destroyedAfterTest,
  failureOf,
  listenFor,
  node,
  sideBySide,
  sluice,
  textOf,
} from '../../support/side_by_side.js'
import { listening, socketPath } from '../../support/sockets.js'
import { nextWarning } from '../../support/warnings.js'

sideBySide('a server', (implementation) => {
  test('gives the connections in the order in which they came', async () => {
    const listener = await listenFor(implementation)
    for (let i = 0; i < 20; i++) {
      const client = destroyedAfterTest(await implementation.connect(listener.path))
      client.write(String(i))
    }
    for (let i = 0; i < 20; i++) {
      const accepted = destroyedAfterTest(await listener.accept())
      expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe(String(i))
    }
  })

  test('serves two hundred clients at once, each its own bytes', async () => {
    const listener = await listenFor(implementation)
    const serving = (async () => {
      for (let i = 0; i < 200; i++) {
        const accepted = destroyedAfterTest(await listener.accept())
        accepted.pipe(accepted)
      }
    })()
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const client = destroyedAfterTest(await implementation.connect(listener.path))
        client.end(`client ${String(i)}`)
        return textOf(client)
      }),
    )
    await serving
    expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => `client ${String(i)}`))
  })

  test('is connected to again and again by the same client', async () => {
    const listener = await listenFor(implementation)
    const before = openDescriptors()
    for (let i = 0; i < 100; i++) {
      const client = destroyedAfterTest(await implementation.connect(listener.path))
      const accepted = destroyedAfterTest(await listener.accept())
      client.resume()
      accepted.resume()
      if (i % 2 === 0) client.end()
      else accepted.end()
      await Promise.all([closeOf(client), closeOf(accepted)])
    }
    await noMoreDescriptorsThan(before)
  })

  test('is closed while a client is being served: that one is served to its end', async () => {
    const listener = await listenFor(implementation)
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    const accepted = destroyedAfterTest(await listener.accept())
    const data = Buffer.alloc(2 ** 20, 'x')
    accepted.end(data)
    listener.close()
    expect((await textOf(client)).length).toBe(data.length)
    await failureOf(implementation.connect(listener.path))
  })

  test('of two on two paths keeps their clients apart', async () => {
    const [one, two] = [await listenFor(implementation), await listenFor(implementation)]
    destroyedAfterTest(await implementation.connect(one.path)).write('one')
    destroyedAfterTest(await implementation.connect(two.path)).write('two')
    const atTwo = destroyedAfterTest(await two.accept())
    const atOne = destroyedAfterTest(await one.accept())
    expect(String(((await once(atOne, 'data')) as [Buffer])[0])).toBe('one')
    expect(String(((await once(atTwo, 'data')) as [Buffer])[0])).toBe('two')
  })

  test('accepts before anybody has connected', async () => {
    const path = socketPath()
    const listener = await implementation.listen(path)
    const accepting = listener.accept()
    const client = destroyedAfterTest(await implementation.connect(path))
    destroyedAfterTest(await accepting).end('at once')
    expect(await textOf(client)).toBe('at once')
    listener.close()
  })

  test('listens on an inherited descriptor, together with another process', async () => {
    const which = implementation.isNode ? 'net' : 'sluice'
    const path = socketPath()
    const parent = await listenFor(implementation, {}, path)
    const serving = (async () => {
      for (;;)
        destroyedAfterTest(await parent.accept())
          .resume()
          .end('this process')
    })()
    serving.catch(() => undefined) // when it is closed
    const descriptors = [parent.descriptor()]
    const children = [0, 1].map(() => new Child('inherited_server.mjs', [which], { descriptors }))
    for (const child of children) expect(await child.next()).toBe('listening')
    const served = new Set<string>()
    for (let i = 0; i < 500 && served.size < 3; i++) {
      const clients = await Promise.all(
        Array.from({ length: 8 }, () => implementation.connect(path)),
      )
      for (const client of clients) served.add(await textOf(destroyedAfterTest(client)))
    }
    for (const { pid } of children) expect(served).toContain(String(pid))
    for (const child of children) child.hangUp()
    await Promise.all(children.map((child) => child.finish()))
  })
})

test('each kind serves the clients of the other', async () => {
  const ours = await listenFor(sluice)
  const client = destroyedAfterTest(await node.connect(ours.path))
  const accepted = destroyedAfterTest(await ours.accept())
  client.write('to ours')
  expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('to ours')
  const theirs = await listenFor(node)
  const other = destroyedAfterTest(await sluice.connect(theirs.path))
  const socket = destroyedAfterTest(await theirs.accept())
  socket.end('from theirs')
  expect(await textOf(other)).toBe('from theirs')
})

test('more connections than are wanted: dropped by maxConnections of net, here they wait for accept', async () => {
  const path = socketPath()
  const theirs = createServer()
  theirs.maxConnections = 1
  await once(theirs.listen(path), 'listening')
  const first = once(theirs, 'connection') as Promise<[Socket]>
  destroyedAfterTest(await node.connect(path))
  destroyedAfterTest((await first)[0])
  const dropped = once(theirs, 'drop')
  const second = destroyedAfterTest(await node.connect(path))
  await dropped
  await closeOf(second.resume())
  theirs.close()

  const ours = await listening()
  const waits = destroyedAfterTest(await sluice.connect(ours.address))
  for (let i = 0; i < 10; i++) await turn()
  expect(waits.destroyed).toBe(false)
  destroyedAfterTest(await ours.accept()).end('your turn')
  expect(await textOf(waits)).toBe('your turn')
})

test('a handler that rejects: the connection is destroyed by captureRejections, here not let in', async () => {
  const path = socketPath()
  EventEmitter.captureRejections = true
  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- that is the case
  const theirs = createServer(async (socket) => {
    socket.on('error', () => undefined)
    await turn()
    throw new Error('broken')
  })
  EventEmitter.captureRejections = false
  await once(theirs.listen(path), 'listening')
  const client = destroyedAfterTest(await node.connect(path))
  client.on('error', () => undefined)
  await closeOf(client.resume())
  theirs.close()

  const ours = await listening({ authorize: () => Promise.reject(new Error('broken')) })
  const warned = nextWarning()
  const accepting = ours.accept()
  const refused = destroyedAfterTest(await sluice.connect(ours.address))
  await closeOf(refused.resume())
  expect((await warned).code).toBe('SLUICE_AUTHORIZE_FAILED')
  ours.close()
  await expect(accepting).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})
