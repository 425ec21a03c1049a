/** Messages and heartbeats with other processes. */
import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connect, framed, listen, type FramedOptions } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { quick } from '../support/framed_suite.js'
import { onWindows } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'

const silence = sluiceError('ERR_SLUICE_HEARTBEAT_TIMEOUT')

test.skipIf(onWindows)('a Python program reads and writes the same messages', async () => {
  const path = socketPath()
  const server = closedAfterTest(await listen(`unix:${path}`))
  const child = new Child('python_frames.py', [path], { program: 'python3' })
  const connection = closedAfterTest(framed(await server.accept(), { maxLength: 2 ** 21 }))
  for (const length of [0, 1, 3, 4, 255, 256, 65_536, 2 ** 20]) {
    const payload = Buffer.alloc(length, 'sluice')
    const sending = connection.send(payload)
    expect((await connection.receive())?.equals(Buffer.concat([payload, payload]))).toBe(true)
    expect(await child.next()).toBe(length)
    await sending
  }
  await connection.closeWrite()
  expect(await connection.receive()).toBeUndefined()
  await child.finish()
})

/** Both ends of one connection here. */
async function pair(one: FramedOptions, other: FramedOptions) {
  const server = await listen('tcp:127.0.0.1:0')
  const [client, accepted] = await Promise.all([connect(server.address), server.accept()])
  server.close()
  onTestFinished(() => {
    client.destroy()
    accepted.destroy()
  })
  return {
    one: framed(client, one as FramedOptions & { codec?: 'bytes' }),
    other: framed(accepted, other as FramedOptions & { codec?: 'bytes' }),
    client,
    accepted,
  }
}

describe('heartbeats', () => {
  const stopped = test.skipIf(onWindows).each(['pipe:', 'shm:'])
  stopped('close a connection by %s whose peer was stopped, and not before', async (scheme) => {
    const server = closedAfterTest(await listen(`${scheme}sluice-test-${randomUUID()}`))
    const child = new Child('heartbeats.mjs', [server.address, JSON.stringify(quick)])
    const accepted = await server.accept()
    const connection = closedAfterTest(framed(accepted, { heartbeat: quick }))
    expect(await child.next()).toBe('ready')
    // Many intervals: heartbeats alone keep it open, although nobody receives.
    const before = accepted.bytesRead
    while (accepted.bytesRead < before + 4 * 10) await turn()
    expect(connection.closed).toBe(false)
    child.kill('SIGSTOP')
    expect(await connection.whenClosed).toEqual(silence)
    await expect(connection.receive()).rejects.toThrow(silence)
    child.kill('SIGKILL')
  })

  test('a peer that has them alone is told so', async () => {
    const { other } = await pair({ heartbeat: quick }, {})
    const failure = await other.receive().catch((error: unknown) => error)
    expect(failure).toEqual(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
    expect(String(failure)).toContain('options.heartbeat')
  })
})
