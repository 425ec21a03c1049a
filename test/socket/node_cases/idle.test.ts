import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { Child } from '../../support/child.js'
import { closeOf, listenFor, pairOf, recorded, sideBySide } from '../../support/side_by_side.js'

sideBySide('a connection that nobody reads', (implementation) => {
  const { isNode } = implementation
  const name = isNode ? 'net' : 'sluice'

  test.each(['destroy', 'end'] as const)(
    "tells who listens to 'close' alone that the peer is gone: %s",
    async (how) => {
      const [client, accepted] = await pairOf(implementation)
      const events = recorded(client, ['close'])
      const closed = closeOf(client)
      accepted[how]()
      await closed
      expect(events).toEqual(['close'])
      accepted.destroy()
    },
  )

  test("tells who listens to 'end' alone, and ends itself", async () => {
    const [client, accepted] = await pairOf(implementation)
    const events = recorded(client, ['end', 'finish', 'close'])
    const closed = closeOf(client)
    accepted.end()
    await closed
    expect(events).toEqual(['end', 'finish', 'close'])
    accepted.destroy()
  })

  test('does not tell the end before what lies unread', async () => {
    const [client, accepted] = await pairOf(implementation)
    const events = recorded(client, ['end', 'close'])
    accepted.end('unread')
    for (let i = 0; i < 100; i++) await turn()
    expect(events).toEqual([])
    const closed = closeOf(client)
    client.resume()
    await closed
    expect(events).toEqual(['end', 'close'])
  })

  test.each(['close', 'end'])("keeps a process alive that listens to '%s'", async (event) => {
    const listener = await listenFor(implementation)
    const child = new Child('idle_client.mjs', [listener.path, name, event])
    const accepted = await listener.accept()
    expect(await child.next()).toBe('connected')
    accepted.destroy()
    expect(await child.next()).toBe(event)
    await child.finish()
  })

  test('does not keep a process alive that has said unref', async () => {
    const listener = await listenFor(implementation)
    const child = new Child('idle_client.mjs', [listener.path, name, 'close', 'unref'])
    const accepted = await listener.accept()
    expect(await child.next()).toBe('connected')
    await child.finish()
    accepted.destroy()
  })

  // Nothing would come of watching it, and the watch of an idle connection costs memory.
  if (!isNode) {
    test('does not keep a process alive that listens to nothing; that of net does', async () => {
      const listener = await listenFor(implementation)
      const child = new Child('idle_client.mjs', [listener.path, name, 'nothing'])
      const accepted = await listener.accept()
      expect(await child.next()).toBe('connected')
      await child.finish()
      accepted.destroy()
    })
  }
})
