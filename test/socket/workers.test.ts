import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'

import { connectUnix } from '../../lib/index.js'
import { Child } from '../support/child.js'
import {
  eventually,
  openDescriptors,
  threadCount,
  noMoreDescriptorsThan,
} from '../support/resources.js'
import { closedAfterTest } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'
import { stress } from '../support/stress.js'

function start(path: string, state: string): Worker {
  return new Worker(new URL('../fixtures/socket_worker.mjs', import.meta.url), {
    workerData: { path, state },
  })
}

test('a server in each of four workers', async () => {
  const paths = Array.from({ length: 4 }, () => socketPath())
  const workers = paths.map((path) => start(path, 'echo'))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
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
  await Promise.all(workers.map((worker) => worker.terminate()))
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
  const before = openDescriptors()
  const threads = threadCount()
  const paths = Array.from({ length: stress({ short: 1, full: 4 }) }, () => socketPath())
  const workers = paths.map((path) => start(path, state))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  await Promise.all(workers.map((worker) => worker.terminate()))
  for (const path of paths) expect(existsSync(path)).toBe(false)
  await eventually(
    () => threadCount() === threads,
    () => `${String(threadCount())} threads, not ${String(threads)}`,
  )
  await noMoreDescriptorsThan(before)
})

test.each(states)('a process that exits while %s ends with its own exit code', async (state) => {
  const path = socketPath()
  const child = new Child('socket_exit.mjs', [path, state])
  expect(await child.exited).toEqual({ code: 5, signal: null })
  expect(existsSync(path)).toBe(false)
})
