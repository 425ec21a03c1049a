/** Events of connections, told by channels of diagnostics and logged by pino. */
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'

import {
  logEvents,
  type Connection,
  type ConnectionCloseMessage,
  type ConnectionErrorMessage,
  type ConnectionOpenMessage,
  type ServerRejectMessage,
} from '../../lib/index.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { serverKinds } from '../support/server_kinds.js'

const [, kind] = serverKinds[1]

/** A conversation, a client that is turned away, and an end by abort. */
async function happenings(): Promise<{ client: Connection; accepted: Connection }> {
  const address = kind.address()
  const server = closedAfterTest(await kind.listen(address, { maxConnections: 1 }))
  const [client, accepted] = await Promise.all([kind.connect(address), server.accept()])
  for (const one of [client, accepted]) closedAfterTest(one)
  await client.send(Buffer.from('a secret'))
  await accepted.receive()
  const turnedAway = closedAfterTest(await kind.connect(address))
  await eventually(() => server.stats().rejected.limit === 1)
  turnedAway.destroy()
  accepted.abort(new Error('enough'))
  if (!accepted.closed) await once(accepted, 'close')
  return { client, accepted }
}

test('subscribers of the channels get typed messages', async () => {
  const seen: Record<string, unknown[]> = {}
  for (const name of ['connection:open', 'connection:close', 'connection:error', 'server:reject']) {
    const listener = (message: unknown) => (seen[name] ??= []).push(message)
    diagnostics.subscribe(`sluice:${name}`, listener)
    onTestFinished(() => {
      diagnostics.unsubscribe(`sluice:${name}`, listener)
    })
  }
  const { client, accepted } = await happenings()
  const opened = seen['connection:open'] as ConnectionOpenMessage[]
  expect(opened.map(({ connection }) => connection)).toEqual(
    expect.arrayContaining([client, accepted]),
  )
  const closed = seen['connection:close'] as ConnectionCloseMessage[]
  expect(closed.find(({ connection }) => connection === accepted)).toMatchObject({
    bytesRead: 8,
    bytesWritten: 0,
  })
  const failed = seen['connection:error'] as ConnectionErrorMessage[]
  expect(failed).toMatchObject([{ connection: accepted, error: { message: 'enough' } }])
  // For a client that was turned away no connection was made.
  expect(seen['server:reject'] as ServerRejectMessage[]).toMatchObject([
    { reason: 'limit', error: undefined, server: { closed: false } },
  ])
  expect(opened.filter(({ connection }) => connection.peer.pid === process.pid)).toHaveLength(3)
})

test('pino logs them, without what went over the connection', async () => {
  const stream = new PassThrough()
  const stop = logEvents(pino({ level: 'debug', base: null }, stream))
  await happenings()
  stop()
  await happenings() // of which nothing is logged
  const text = String(stream.read())
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const count = (msg: string) => lines.filter((line) => line['msg'] === msg).length
  expect(count('connection opened')).toBe(3)
  expect(count('connection failed')).toBe(1)
  expect(count('client turned away')).toBe(1)
  expect(lines.find((line) => line['msg'] === 'client turned away')).toMatchObject({
    level: 40,
    reason: 'limit',
  })
  expect(lines.find((line) => line['msg'] === 'connection failed')).toMatchObject({
    level: 40,
    err: { message: 'enough' },
    pid: process.pid,
  })
  expect(text).not.toContain('a secret')
})

test('what is no logger is refused', () => {
  for (const wrong of [undefined, null, {}, { debug: () => undefined }, 'pino']) {
    expect(() => logEvents(wrong as never)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  }
})
