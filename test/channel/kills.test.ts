/** Processes that are killed at any moment of any channel: nothing is left of them, and nothing came that they did not send. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { ChannelServer, connectChannel, SluiceError, type Connection } from '../../lib/index.js'
import { pattern } from '../fixtures/channel_pattern.mjs'
import { channelAddress } from '../support/channels.js'
import { Child } from '../support/child.js'
import { onWindows, skipAllIf } from '../support/platform.js'
import { eventually, sharedMappings } from '../support/resources.js'
import { closedAfterTest } from '../support/rings.js'
import { countThreadsAndDescriptors } from '../support/state_workers.js'
import { stress } from '../support/stress.js'
import { randomNumbers } from '../support/transport_suite/workbench.js'

skipAllIf(onWindows, 'descriptors and threads are counted by /proc')

const rounds = stress({ short: 5, full: 20, long: 1000 })
const longestLife = 150 // milliseconds in which thousands of channels come and go
const ends = ['ERR_SLUICE_PEER_DIED', 'ECONNRESET', 'EPIPE']

/** Reads to the end, and sees that each byte is the right one. How it ended: undefined, or an error's code. */
async function readAll(channel: Connection): Promise<string | undefined> {
  let position = 0
  try {
    for await (const chunk of channel as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += 50_000) {
        const part = chunk.subarray(at, at + 50_000)
        if (!part.equals(pattern(position + at, part.length))) return 'wrong bytes'
      }
      position += chunk.length
    }
    return undefined
  } catch (error) {
    return error instanceof SluiceError ? error.code : String(error)
  }
}

test(`${String(rounds)} clients are killed`, { timeout: 3_600_000 }, async () => {
  const random = randomNumbers(1)
  const server = closedAfterTest(await ChannelServer.listen(channelAddress()))
  const open = new Set<Promise<void>>()
  const seen = new Set<string | undefined>()
  let count = 0
  void (async () => {
    for await (const channel of server) {
      count++
      const reading = readAll(channel).then((how) => {
        seen.add(how)
        channel.destroy()
        open.delete(reading)
      })
      open.add(reading)
    }
  })()
  // One of each kind is there before it is counted.
  const first = await connectChannel(server.address)
  first.resume()
  first.end()
  await once(first, 'close')
  await Promise.all(open)
  const nothingIsLeft = countThreadsAndDescriptors()
  for (let round = 0; round < rounds; round++) {
    const client = new Child('channel_victim.mjs', ['client', server.address])
    await client.next()
    await delay(random(longestLife))
    client.kill('SIGKILL')
    await client.exited
    await eventually(
      () => open.size === 0 && server.stats().open === 0,
      () => `${String(open.size)} are read, ${String(server.stats().open)} are open`,
    )
  }
  expect(count).toBeGreaterThan(rounds)
  for (const how of seen) if (how !== undefined) expect(ends).toContain(how)
  await nothingIsLeft()
  await eventually(
    () => sharedMappings().length === 0,
    () => sharedMappings().join('\n'),
  )
  expect(server.health()).toMatchObject({ listening: true })
})

test(`${String(rounds)} servers are killed`, { timeout: 3_600_000 }, async () => {
  const random = randomNumbers(1)
  const path = channelAddress()
  const seen = new Set<string | undefined>()
  const nothingIsLeft = countThreadsAndDescriptors()
  let count = 0
  for (let round = 0; round < rounds; round++) {
    const server = new Child('channel_victim.mjs', ['server', path])
    await server.next()
    let alive = true
    const clients = Array.from({ length: 4 }, async () => {
      while (alive) {
        const channel = await connectChannel(path, { required: true }).catch((error: unknown) => {
          seen.add((error as SluiceError).code)
        })
        if (channel === undefined) continue
        count++
        seen.add(await readAll(channel))
        channel.destroy()
      }
    })
    await delay(random(longestLife))
    server.kill('SIGKILL')
    await server.exited
    alive = false
    await Promise.all(clients)
  }
  expect(count).toBeGreaterThan(rounds)
  const mayBe = [...ends, 'ECONNREFUSED', 'ENOENT', 'ERR_SLUICE_DISCONNECTED', 'ERR_SLUICE_CLOSED']
  for (const how of seen) if (how !== undefined) expect(mayBe).toContain(how)
  await nothingIsLeft()
})
