/** Messages and heartbeats with other processes. */
import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connect, framed, listen, type FramedOptions } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onWindows } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'

const silence = sluiceError('ERR_SLUICE_HEARTBEAT_TIMEOUT')
const quick = { interval: 40, timeout: 200 }

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
  test.skipIf(onWindows)('close a connection whose peer was stopped, and not before', async () => {
    const server = closedAfterTest(await listen(`pipe:sluice-test-${randomUUID()}`))
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

  test('bring no message, and both sides see messages as ever', async () => {
    const { one, other, accepted } = await pair({ heartbeat: quick }, { heartbeat: quick })
    const receiving = other.receive()
    while (accepted.bytesRead < 12) await turn()
    await one.sendMany([Buffer.from('a'), Buffer.alloc(0)])
    expect(String(await receiving)).toBe('a')
    expect(await other.receive()).toHaveLength(0)
    await one.closeWrite()
    expect(await other.receive()).toBeUndefined()
  })

  test('nobody is judged while messages wait that nobody receives', async () => {
    const { one, other, client } = await pair({}, { heartbeat: quick })
    await one.send(Buffer.from('kept'))
    // The peer sends no heartbeats; what it sent waits, and it could have sent more behind it.
    // In the same time two others, one after the other, are judged for their silence.
    for (let i = 0; i < 2; i++) {
      const silent = await pair({}, { heartbeat: quick })
      expect(await silent.other.whenClosed).toEqual(silence)
    }
    expect(other.closed).toBe(false)
    expect(String(await other.receive())).toBe('kept')
    client.on('error', () => undefined)
    expect(await other.whenClosed).toEqual(silence)
  })

  test('a loop that was late judges nobody for it', async () => {
    const { one, other } = await pair({ heartbeat: quick }, { heartbeat: quick })
    await turn()
    // Twice as long as a peer may be silent; the peer is blocked as well, it is in this process.
    const end = performance.now() + 2 * (quick.interval + quick.timeout)
    while (performance.now() < end);
    const receiving = other.receive()
    await one.send(Buffer.from('still here'))
    expect(String(await receiving)).toBe('still here')
    expect([one.closed, other.closed]).toEqual([false, false])
  })

  test('a peer that has them alone is told so', async () => {
    const { other } = await pair({ heartbeat: quick }, {})
    const failure = await other.receive().catch((error: unknown) => error)
    expect(failure).toEqual(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
    expect(String(failure)).toContain('options.heartbeat')
  })

  test('leave nothing behind', async () => {
    const { one, other } = await pair({ heartbeat: quick }, { heartbeat: quick })
    one.close()
    other.close()
    await Promise.all([one.whenClosed, other.whenClosed])
  })
})
