/**
 * Every test file leaves as many descriptors, threads, mappings and names as it found, and causes no
 * warning that it does not catch.
 */
import './version.js' // before the first import of lib

import { stat } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, expect } from 'vitest'

import { connectNamedPipe, NamedPipeServer, socketPair } from '../../lib/index.js'
import { onWindows } from './platform.js'
import { collectGarbage, eventually, resources, sameAs, type Resources } from './resources.js'
import { unexpectedWarnings, watchWarnings } from './warnings.js'

watchWarnings()

let before: Resources

beforeAll(async () => {
  // Starts all threads of libuv's pool, which otherwise come with the first file operations.
  await Promise.all(Array.from({ length: 16 }, () => stat('.')))
  if (process.env['SLUICE_WATCH_IN_THREAD'] === '1') await startWatchingThread()
  if (onWindows) await usePipes()
  before = resources()
})

afterAll(async () => {
  await eventually(
    () => sameAs(before),
    () => {
      expect(resources(), 'the test file left something behind').toEqual(before)
      return 'the test file left something behind'
    },
  )
  // The collector tells of what was dropped without being closed.
  for (let round = 0; round < 2; round++) {
    collectGarbage()
    await turn()
  }
  expect(unexpectedWarnings(), 'warnings that no test has caught').toEqual([])
})

/** Makes the system and the runtime allocate what they keep for a process after its first pipe. */
async function usePipes(): Promise<void> {
  const { threads } = resources()
  for (let round = 0; round < 2; round++) {
    const server = await NamedPipeServer.listen(`sluice-test-${String(process.pid)}-setup`)
    const client = await connectNamedPipe(server.address)
    const accepted = await server.accept()
    for (const connection of [client, accepted]) connection.destroy()
    server.close()
    await eventually(() => resources().threads <= threads)
  }
}

/** Which then stays for as long as the process. */
async function startWatchingThread(): Promise<void> {
  const [one, other] = socketPair()
  await other.send(Buffer.from('x'))
  await one.receive()
  one.destroy()
  other.destroy()
}
