/** Metrics for prom-client, read by the package itself. */
import client from 'prom-client'
import { afterEach, expect, onTestFinished, test } from 'vitest'

import { registerMetrics, type Server } from '../../lib/index.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { serverKinds } from '../support/server_kinds.js'

afterEach(() => {
  client.register.clear()
})

const [, kind] = serverKinds[1]

async function serve(): Promise<{ server: Server; address: string }> {
  const address = kind.address()
  return { server: closedAfterTest(await kind.listen(address, { maxConnections: 1 })), address }
}

const lines = async () =>
  (await client.register.metrics()).split('\n').filter((line) => !/^(#|$)/.test(line))

test('show connections, rejections and bytes of now, however often they are collected', async () => {
  const { server, address } = await serve()
  registerMetrics(server, { client })
  const [one, other] = await Promise.all([kind.connect(address), server.accept()])
  for (const end of [one, other]) closedAfterTest(end)
  await one.send(Buffer.alloc(3))
  await other.receive()
  await other.send(Buffer.alloc(5))
  const turnedAway = closedAfterTest(await kind.connect(address))
  await eventually(() => server.stats().rejected.limit === 1)
  turnedAway.destroy()
  const expected = [
    'sluice_connections 1',
    'sluice_connections_waiting 0',
    'sluice_listening 1',
    'sluice_connections_total 1',
    'sluice_rejections_total{reason="limit"} 1',
    'sluice_rejections_total{reason="idle"} 0',
    'sluice_bytes_total{direction="read"} 3',
    'sluice_bytes_total{direction="written"} 5',
  ]
  for (let i = 0; i < 2; i++) expect(await lines()).toEqual(expect.arrayContaining(expected))
  server.close()
  expect(await lines()).toContain('sluice_listening 0')
})

test('of two servers have two prefixes', async () => {
  const [one, other] = [await serve(), await serve()]
  registerMetrics(one.server, { client, prefix: 'one_' })
  expect(() => {
    registerMetrics(other.server, { client, prefix: 'one_' })
  }).toThrow(/already been registered/)
  registerMetrics(other.server, { client, prefix: 'other_' })
  expect(await lines()).toEqual(
    expect.arrayContaining(['one_connections 0', 'other_connections 0']),
  )
})

test.each([undefined, {}, { client: {} }, { client, prefix: 1 }, { client, more: 1 }])(
  'wrong options are refused: %s',
  async (options) => {
    const { server } = await serve()
    expect(() => {
      registerMetrics(server, options as never)
    }).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    onTestFinished(() => {
      client.register.clear()
    })
  },
)
