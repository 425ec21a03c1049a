import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'

import { connectUnix } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { closedAfterTest } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'
import { countThreadsAndDescriptors, terminate, workersIn } from '../support/state_workers.js'
import { stress } from '../support/stress.js'

test('a server in each of four workers', async () => {
  const paths = Array.from({ length: 4 }, () => socketPath())
  const workers = await workersIn('socket_worker.mjs', paths, 'echo')
  await Promise.all(
    paths.map(async (path) => {
      for (let i = 0; i < 50; i++) {
        const connection = closedAfterTest(await connectUnix(path))
        await connection.send(Buffer.from(String(i)))
        expect((await connection.receive())?.data.toString()).toBe(String(i))
        connection.destroy()
      }
    }),
  )
  await terminate(workers)
  for (const path of paths) expect(existsSync(path)).toBe(false)
})

const states = [
  'listening',
  'accepting',
  'connected',
  'receiving',
  'streaming',
  'blocked',
  'sending descriptors',
  'untaken descriptors',
  'authorizing',
  'datagram',
  'closed',
]

test.each(states)('a worker that is terminated while %s leaves nothing behind', async (state) => {
  const nothingIsLeft = countThreadsAndDescriptors()
  const paths = Array.from({ length: stress({ short: 1, full: 4 }) }, () => socketPath())
  const workers = await workersIn('socket_worker.mjs', paths, state)
  await terminate(workers)
  for (const path of paths) expect(existsSync(path)).toBe(false)
  await nothingIsLeft()
})

test.each(states)('a process that exits while %s ends with its own exit code', async (state) => {
  const path = socketPath()
  const child = new Child('socket_exit.mjs', [path, state])
  expect(await child.exited).toEqual({ code: 5, signal: null })
  expect(existsSync(path)).toBe(false)
})
