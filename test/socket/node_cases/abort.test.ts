import { getEventListeners, once } from 'node:events'
import { createConnection } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { eventually, openDescriptors } from '../../support/resources.js'
import {
  closeOf,
  destroyedAfterTest,
  failureOf,
  listenFor,
  sideBySide,
} from '../../support/side_by_side.js'
import { socketPath } from '../../support/sockets.js'

sideBySide('an AbortSignal', (implementation) => {
  test('that has aborted before connecting: nothing is left of it', async () => {
    const listener = await listenFor(implementation)
    const before = openDescriptors()
    const error = await failureOf(
      implementation.connect(listener.path, { signal: AbortSignal.abort() }),
    )
    expect(error.name).toBe('AbortError')
    listener.close()
    await eventually(() => (openDescriptors()['socket'] ?? 0) < (before['socket'] ?? 0))
  })

  test('that aborts right after the call: a connection or an AbortError, and nothing is lost', async () => {
    const listener = await listenFor(implementation)
    const controller = new AbortController()
    const connecting = implementation.connect(listener.path, { signal: controller.signal })
    controller.abort()
    const result = await connecting.catch((error: unknown) => error as Error)
    // A Unix socket connects at once. net tells of that in a later turn and gives it up; here the
    // connection is there, and is given to the caller.
    if (implementation.isNode) expect(result).toMatchObject({ name: 'AbortError' })
    else destroyedAfterTest(result as never)
  })

  test('that is not aborted changes nothing', async () => {
    const listener = await listenFor(implementation)
    const { signal } = new AbortController()
    const client = destroyedAfterTest(await implementation.connect(listener.path, { signal }))
    const accepted = destroyedAfterTest(await listener.accept())
    accepted.end('hello')
    client.resume()
    await once(client, 'end')
    await closeOf(client)
    // net keeps its listener for as long as the signal lives.
    const left = getEventListeners(signal, 'abort').length
    expect(left).toBeLessThanOrEqual(implementation.isNode ? 1 : 0)
  })

  test('of the connecting, after the connection is made', async () => {
    const listener = await listenFor(implementation)
    const controller = new AbortController()
    const client = await implementation.connect(listener.path, { signal: controller.signal })
    destroyedAfterTest(client).on('error', () => undefined)
    const accepted = destroyedAfterTest(await listener.accept())
    controller.abort()
    await turn()
    // In net the signal is the socket's for life; here it ended with the operation it was given to,
    // as with every other call that takes one.
    expect(client.destroyed).toBe(implementation.isNode)
    if (implementation.isNode) return
    accepted.write('x')
    await once(client, 'data')
  })

  test('of a server that aborts closes it', async () => {
    const controller = new AbortController()
    const path = socketPath()
    await implementation.listen(path, { signal: controller.signal })
    controller.abort()
    await turn()
    await failureOf(implementation.connect(path))
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  test('of a server that is closed first is let go', async () => {
    const controller = new AbortController()
    const listener = await implementation.listen(socketPath(), { signal: controller.signal })
    listener.close()
    await turn()
    // net keeps its listener for as long as the signal lives.
    const left = getEventListeners(controller.signal, 'abort').length
    expect(left).toBeLessThanOrEqual(implementation.isNode ? 1 : 0)
    controller.abort()
  })

  test('whose reason is an error of the caller', async () => {
    const listener = await listenFor(implementation)
    const reason = new Error('enough')
    const error = await failureOf(
      implementation.connect(listener.path, { signal: AbortSignal.abort(reason) }),
    )
    // net wraps it into an AbortError; here it is what throwIfAborted would throw.
    expect(implementation.isNode ? error.cause : error).toBe(reason)
  })
})

test('a server whose signal has aborted already does not listen', async () => {
  const { UnixServer } = await import('../../../lib/index.js')
  const path = socketPath()
  await expect(UnixServer.listen(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  })
  const socket = createConnection(path)
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ENOENT')
})
