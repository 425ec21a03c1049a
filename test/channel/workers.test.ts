/** Channels in threads: they work there, and nothing is left of them when a thread or a process ends. */
import { expect, test } from 'vitest'

import { Channel, connectChannel } from '../../lib/index.js'
import { channelAddress } from '../support/channels.js'
import { Child } from '../support/child.js'
import { onWindows, skipAllIf } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'
import { countThreadsAndDescriptors, terminate, workersIn } from '../support/state_workers.js'
import { stress } from '../support/stress.js'

skipAllIf(onWindows, 'descriptors and threads are counted by /proc')

test('a server in each of four workers', async () => {
  const paths = Array.from({ length: 4 }, channelAddress)
  const workers = await workersIn('channel_worker.mjs', paths, 'echo')
  await Promise.all(
    paths.map(async (path) => {
      const channel = closedAfterTest(await connectChannel(path))
      expect(channel).toBeInstanceOf(Channel)
      for (let i = 0; i < 1000; i++) {
        await channel.send(Buffer.from(String(i)))
        expect(String((await channel.receive())?.data)).toBe(String(i))
      }
    }),
  )
  await terminate(workers)
})

const states = [
  'listening',
  'connected',
  'receiving',
  'streaming',
  'blocked',
  'sending descriptors',
  'framed',
  'in the middle of a handshake',
  'closed',
]

test.each(states)('a worker that is terminated while %s leaves nothing behind', async (state) => {
  const nothingIsLeft = countThreadsAndDescriptors()
  const paths = Array.from({ length: stress({ short: 1, full: 4 }) }, channelAddress)
  const workers = await workersIn('channel_worker.mjs', paths, state)
  await terminate(workers)
  await nothingIsLeft()
})

test.each(states)('a process that exits while %s ends with its own exit code', async (state) => {
  const child = new Child('channel_exit.mjs', [channelAddress(), state])
  expect(await child.exited).toEqual({ code: 5, signal: null })
})
