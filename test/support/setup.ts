/** Every test file leaves as many descriptors, threads, mappings and names as it found. */
import { stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect } from 'vitest'

import { socketPair } from '../../lib/index.js'
import { eventually, resources, type Resources } from './resources.js'

let before: Resources

beforeAll(async () => {
  // Starts all threads of libuv's pool, which otherwise come with the first file operations.
  await Promise.all(Array.from({ length: 16 }, () => stat('.')))
  if (process.env['SLUICE_WATCH_IN_THREAD'] === '1') await startWatchingThread()
  before = resources()
})

afterAll(async () => {
  await eventually(
    () => isDeepStrictEqual(resources(), before),
    () => {
      expect(resources(), 'the test file left something behind').toEqual(before)
      return 'the test file left something behind'
    },
  )
})

/** Which then stays for as long as the process. */
async function startWatchingThread(): Promise<void> {
  const [one, other] = socketPair()
  await other.send(Buffer.from('x'))
  await one.receive()
  one.destroy()
  other.destroy()
}
