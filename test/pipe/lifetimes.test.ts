/** Workers and processes that end with everything pending. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'

import { connectNamedPipe } from '../../lib/index.js'
import { processResources } from '../support/diagnostics.js'
import { Child } from '../support/child.js'
import { peerIsProcess } from '../support/peer_process.js'
import { onWindows } from '../support/platform.js'
import { gone, pipeName, quiet } from '../support/pipes.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const fixture = fileURLToPath(new URL('../fixtures/pipe_states.mjs', import.meta.url))
const states = ['accept', 'read', 'write', 'connect', 'everything'] as const

describe.skipIf(!onWindows)('with pending operations', () => {
  test.each(states)('a worker is terminated: %s', async (state) => {
    const before = processResources()
    for (let round = 0; round < 5; round++) {
      const name = pipeName()
      const worker = new Worker(fixture, { workerData: [name, state] })
      await once(worker, 'message')
      const client = quiet(await connectNamedPipe(name))
      await worker.terminate()
      expect(await client.receive().catch(() => undefined)).toBeUndefined()
      client.destroy()
      await expect(connectNamedPipe(name)).rejects.toEqual(
        sluiceError('ENOENT', { win32: 'ERROR_FILE_NOT_FOUND' }),
      )
    }
    await eventually(
      () => processResources().threads <= before.threads,
      () => JSON.stringify([before, processResources()]),
    )
  })

  test('a worker is terminated that has sent and keeps handles: they are closed', async () => {
    peerIsProcess(() => process.pid)
    const round = async () => {
      const name = pipeName()
      const worker = new Worker(fixture, { workerData: [name, 'handles'] })
      await once(worker, 'message')
      const options = { mode: 'message', handles: true } as const
      const client = quiet(await connectNamedPipe(name, options))
      const message = await client.receive()
      expect(message?.handles.length).toBe(16)
      for (const handle of message?.handles ?? []) handle.close()
      await worker.terminate()
      client.destroy()
      await gone(client)
    }
    await round()
    const { handles } = processResources()
    for (let i = 0; i < 5; i++) await round()
    await eventually(
      () => processResources().handles <= handles + 8,
      () => `handles: ${String(handles)}, ${String(processResources().handles)}`,
    )
  })

  test.each(states)('a process exits: %s', async (state) => {
    const name = pipeName()
    const child = new Child('pipe_states.mjs', [name, state])
    await child.next()
    const client = quiet(closedAfterTest(await connectNamedPipe(name)))
    child.say('exit')
    expect(await child.exited).toEqual({ code: 7, signal: null })
    expect(await client.receive().catch(() => undefined)).toBeUndefined()
  })

  test('a process is killed: its peer sees the end, after what was written', async () => {
    const name = pipeName()
    const child = new Child('pipe_states.mjs', [name, 'greet'])
    await child.next()
    const client = quiet(closedAfterTest(await connectNamedPipe(name)))
    await child.next()
    child.kill('SIGKILL')
    await child.exited
    expect(String((await client.receive())?.data)).toBe('hello')
    expect(await client.receive()).toBeUndefined()
  })
})
