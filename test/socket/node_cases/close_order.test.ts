import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { openDescriptors, noMoreDescriptorsThan } from '../../support/resources.js'
import {
  closeOf,
  destroyedAfterTest,
  listenFor,
  pairOf,
  recorded,
  sideBySide,
  textOf,
  type Connection,
} from '../../support/side_by_side.js'

const all = ['end', 'finish', 'error', 'close']

sideBySide('the order of events', (implementation) => {
  test('who ends first: finish, then the end of the peer, then close', async () => {
    const [client, accepted] = await pairOf(implementation)
    const events = recorded(client, all)
    client.resume()
    accepted.resume()
    client.end('x')
    await closeOf(client)
    expect(events).toEqual(['finish', 'end', 'close'])
  })

  test('who is ended: end, finish, close', async () => {
    const [client, accepted] = await pairOf(implementation)
    const events = recorded(accepted, all)
    client.resume()
    accepted.resume()
    client.end('x')
    await closeOf(accepted)
    expect(events).toEqual(['end', 'finish', 'close'])
  })

  test('both at once: each finish and end before close', async () => {
    const [client, accepted] = await pairOf(implementation)
    const [one, two] = [recorded(client, all), recorded(accepted, all)]
    client.resume().end('x')
    accepted.resume().end('y')
    await Promise.all([closeOf(client), closeOf(accepted)])
    for (const events of [one, two]) {
      expect([...events].sort()).toEqual(['close', 'end', 'finish'])
      expect(events.at(-1)).toBe('close')
    }
  })

  test('data before end, all of it', async () => {
    const [client, accepted] = await pairOf(implementation)
    let bytes = 0
    accepted.on('data', (chunk: Buffer) => (bytes += chunk.length))
    client.end(Buffer.alloc(300_000))
    await once(accepted, 'end')
    expect(bytes).toBe(300_000)
  })

  test('destroy: close alone, in a later turn', async () => {
    const [client] = await pairOf(implementation)
    const events = recorded(client, all)
    client.destroy()
    expect(client.destroyed).toBe(true)
    expect(events).toEqual([])
    await closeOf(client)
    expect(events).toEqual(['close'])
  })

  test('destroy with an error: error, then close', async () => {
    const [client] = await pairOf(implementation)
    const events = recorded(client, all)
    client.destroy(new Error('enough'))
    await closeOf(client)
    expect(events).toEqual(['error', 'close'])
  })

  test("the peer's destroy is an end, when nothing was lost", async () => {
    const [client, accepted] = await pairOf(implementation)
    const events = recorded(client, all)
    client.resume()
    accepted.destroy()
    await closeOf(client)
    expect(events).toEqual(['end', 'finish', 'close'])
  })

  test('end and then destroy: what was not written is lost, close comes once', async () => {
    const [client, accepted] = await pairOf(implementation)
    const events = recorded(client, all)
    client.write(Buffer.alloc(2 ** 22))
    client.end()
    client.destroy()
    await closeOf(client)
    await turn()
    expect(events).toEqual(['close'])
    accepted.on('error', () => undefined)
    accepted.resume()
    await closeOf(accepted)
    expect(accepted.bytesRead).toBeLessThan(2 ** 22)
  })

  test('the callback of end comes with finish', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const events = recorded(client, ['finish'])
    client.end('x', () => events.push('callback'))
    await once(client, 'finish')
    await turn()
    expect(events.sort()).toEqual(['callback', 'finish'])
  })

  test('the callbacks of writes come before that of end', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    const calls: string[] = []
    client.write('a', () => calls.push('write'))
    client.end('b', () => calls.push('end'))
    await once(client, 'finish')
    await turn()
    expect(calls).toEqual(['write', 'end'])
  })

  test('close is after the descriptor has gone', async () => {
    const before = openDescriptors()
    const [client, accepted] = await pairOf(implementation)
    client.resume().end()
    accepted.resume()
    await Promise.all([closeOf(client), closeOf(accepted)])
    await noMoreDescriptorsThan(before)
  })

  test('a side that only writes closes when the peer has ended, though nobody reads it', async () => {
    const [client, accepted] = await pairOf(implementation)
    client.end('x')
    expect(await textOf(accepted)).toBe('x')
    await closeOf(accepted)
    await closeOf(client)
  })

  test('a side that only ends, and reads nothing, closes likewise', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    client.end()
    await closeOf(accepted)
    await closeOf(client)
  })

  test('stream.finished resolves for each of a pair', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.resume()
    client.resume()
    client.end('x')
    await Promise.all([finished(client), finished(accepted)])
    expect([client.destroyed, accepted.destroyed]).toEqual([true, true])
  })

  test('states on the way: readyState of the stream', async () => {
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    const state = ({ readable, writable, writableEnded, writableFinished }: Connection) => ({
      readable,
      writable,
      writableEnded,
      writableFinished,
    })
    expect(state(client)).toEqual({
      readable: true,
      writable: true,
      writableEnded: false,
      writableFinished: false,
    })
    accepted.resume()
    client.end()
    expect(state(client)).toMatchObject({ readable: true, writable: false, writableEnded: true })
    await once(client, 'finish')
    expect(state(client)).toMatchObject({ readable: true, writableFinished: true })
    client.resume()
    accepted.end()
    await closeOf(client)
    expect(state(client)).toMatchObject({ readable: false, writable: false })
  })

  test('end in the first turn of a connection', async () => {
    const listener = await listenFor(implementation)
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    client.resume().end('first and last')
    const accepted = destroyedAfterTest(await listener.accept())
    expect(await textOf(accepted)).toBe('first and last')
    await closeOf(client)
  })

  test('destroy in the first turn of a connection', async () => {
    const listener = await listenFor(implementation)
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    client.destroy()
    const accepted = destroyedAfterTest(await listener.accept())
    expect(await textOf(accepted)).toBe('')
    await closeOf(client)
  })

  test('an accepted connection that is destroyed at once is an end for the client', async () => {
    const listener = await listenFor(implementation)
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    destroyedAfterTest(await listener.accept()).destroy()
    expect(await textOf(client)).toBe('')
    await closeOf(client)
  })

  test('the close event', async () => {
    const [client, accepted] = await pairOf(implementation)
    const failed = new Promise((resolve) => client.once('close', resolve))
    client.on('error', () => undefined)
    client.destroy(new Error('enough'))
    const well = new Promise((resolve) => accepted.once('close', resolve))
    accepted.resume()
    expect(await failed).toBe(true)
    expect(await well).toBe(false)
    expect(client.errored).toMatchObject({ message: 'enough' })
  })
})
