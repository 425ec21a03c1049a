import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { connectUnix, type UnixConnection } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { openDescriptors, threadCount, noMoreDescriptorsThan } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { connected, fill, listening } from '../support/sockets.js'
import { stress } from '../support/stress.js'

const rounds = stress({ short: 2000, full: 10_000, long: 500_000 })

// Repeatable: the seed is in the message of what fails.
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function cancelSoon(controller: AbortController, how: number): void {
  if (how === 0) controller.abort()
  else if (how === 1)
    queueMicrotask(() => {
      controller.abort()
    })
  else if (how === 2)
    process.nextTick(() => {
      controller.abort()
    })
  else
    setImmediate(() => {
      controller.abort()
    })
}

test(`accepts and connects cancelled at random moments lose and leak nothing, ${String(rounds)} rounds`, async () => {
  const seed = Date.now() >>> 0
  const random = randomNumbers(seed)
  const server = await listening({ backlog: 4096 })
  const before = openDescriptors()
  const threads = threadCount()
  let nextId = 0
  const connectedIds = new Set<number>()
  const deliveredIds: number[] = []
  const reading: Promise<void>[] = []
  const open: UnixConnection[] = []

  async function identify(connection: UnixConnection): Promise<void> {
    // A client whose connect was cancelled has gone without a word.
    const message = await connection.receive()
    if (message !== undefined) deliveredIds.push(message.data.readUInt32LE())
    connection.destroy()
  }

  async function client(): Promise<void> {
    const controller = new AbortController()
    const connecting = connectUnix(server.address, {
      signal: controller.signal,
      ...(random(4) === 0 && { timeout: random(3) }),
    })
    if (random(3) === 0) cancelSoon(controller, random(4))
    try {
      const connection = await connecting
      const id = nextId++
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE(id)
      await connection.send(bytes)
      connectedIds.add(id)
      open.push(connection)
    } catch (error) {
      expect(['AbortError', 'SluiceError'], `seed ${String(seed)}`).toContain((error as Error).name)
    }
  }

  async function accept(): Promise<void> {
    const controller = new AbortController()
    // There are more accepts than clients: none waits for ever.
    const accepting = server.accept({ signal: controller.signal, timeout: random(4) })
    if (random(2) === 0) cancelSoon(controller, random(4))
    try {
      reading.push(identify(await accepting))
    } catch (error) {
      expect(['AbortError', 'SluiceError'], `seed ${String(seed)}`).toContain((error as Error).name)
    }
  }

  for (let round = 0; round < rounds; round += 20) {
    const steps: Promise<void>[] = []
    for (let i = 0; i < 20; i++) {
      steps.push(random(2) === 0 ? client() : accept(), accept())
      if (random(5) === 0) await turn()
    }
    await Promise.all(steps)
    await Promise.all(reading.splice(0))
    for (const connection of open.splice(0)) connection.end().resume()
  }
  // Whoever still waits is given to the next accepts.
  for (;;) {
    try {
      await identify(await server.accept({ timeout: 50 }))
    } catch (error) {
      expect(error).toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
      break
    }
  }
  expect(
    deliveredIds.sort((a, b) => a - b),
    `seed ${String(seed)}`,
  ).toEqual([...connectedIds].sort((a, b) => a - b))
  expect(connectedIds.size).toBeGreaterThan(rounds / 10)
  expect(threadCount()).toBe(threads)
  await noMoreDescriptorsThan(before)
}, 600_000)

test('clients of another process are each delivered once, whatever is cancelled', async () => {
  const server = await listening({ backlog: 4096 })
  const random = randomNumbers(7)
  const count = 500
  const child = new Child('numbered_clients.mjs', [server.address, count])
  const seen: number[] = []
  while (seen.length < count) {
    const controller = new AbortController()
    const accepting = server.accept({ signal: controller.signal })
    if (random(2) === 0) cancelSoon(controller, random(4))
    try {
      const connection = await accepting
      const message = await connection.receive()
      seen.push(Number(message?.data.toString()))
      connection.destroy()
    } catch (error) {
      expect((error as Error).name).toBe('AbortError')
    }
  }
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
  await child.finish()
})

test('a cancelled receive takes nothing: the bytes are there for the next', async () => {
  const { client, accepted } = await connected()
  const controller = new AbortController()
  const cancelled = accepted.receive({ signal: controller.signal })
  client.write('kept')
  controller.abort()
  await expect(cancelled).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }) as Error)
  expect((await accepted.receive())?.data.toString()).toBe('kept')
  await expect(accepted.receive({ timeout: 5 })).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
  client.write('more')
  expect((await accepted.receive())?.data.toString()).toBe('more')
})

test('receive with a time of 0 takes what is there', async () => {
  const { client, accepted } = await connected()
  await client.send(Buffer.from('there'))
  expect((await accepted.receive({ timeout: 0 }))?.data.toString()).toBe('there')
})

test('receives that wait are served in order, and are bounded', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket' })
  const receives = Array.from({ length: 1024 }, () => accepted.receive())
  await expect(accepted.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_QUEUE_FULL'))
  for (let i = 0; i < 1024; i++) await client.send(Buffer.from(String(i)))
  const received = await Promise.all(receives)
  expect(received.map((message) => message?.data.toString())).toEqual(
    Array.from({ length: 1024 }, (_, i) => String(i)),
  )
})

test('a send that waits its turn is cancelled without a trace', async () => {
  const { client, accepted } = await connected()
  const filled = await fill(client)
  const controller = new AbortController()
  const cancelled = client.send(Buffer.from('cancelled'), { signal: controller.signal })
  const timedOut = client.send(Buffer.from('too late'), { timeout: 5 })
  const kept = client.send(Buffer.from('kept'))
  controller.abort()
  await expect(cancelled).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }) as Error)
  await expect(timedOut).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
  client.end()
  const chunks: Buffer[] = []
  for await (const chunk of accepted) chunks.push(chunk as Buffer)
  await kept
  expect(Buffer.concat(chunks).subarray(filled).toString()).toBe('kept')
})

test('a send that is cancelled in the middle destroys the connection', async () => {
  const { client, accepted } = await connected()
  const controller = new AbortController()
  const sending = client.send(Buffer.alloc(2 ** 22), { signal: controller.signal })
  await accepted.receive() // some of it has gone
  controller.abort(new Error('enough'))
  await expect(sending).rejects.toThrow('enough')
  if (!client.closed) await once(client, 'close')
  await expect(client.send(Buffer.from('x'))).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  for (let message; (message = await accepted.receive()) !== undefined;) {
    expect(message.data.length).toBeGreaterThan(0)
  }
})

test('sends that wait are bounded', async () => {
  const { client } = await connected()
  await fill(client)
  const sends = Array.from({ length: 1024 }, () => client.send(Buffer.from('x')))
  for (const send of sends) send.catch(() => undefined)
  await expect(client.send(Buffer.from('x'))).rejects.toThrow(sluiceError('ERR_SLUICE_QUEUE_FULL'))
  client.destroy()
  await expect(sends[0]).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  await expect(sends[1023]).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

test('what waits is told when the connection is closed', async () => {
  const { client } = await connected()
  const receive = client.receive()
  client.close()
  await expect(receive).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  await expect(client.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  await expect(client.send(Buffer.from('x'))).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  expect(() => client.fd).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

test('an aborted signal starts nothing', async () => {
  const { client } = await connected()
  const signal = AbortSignal.abort(new Error('before'))
  await expect(client.receive({ signal })).rejects.toThrow('before')
  await expect(client.send(Buffer.from('x'), { signal })).rejects.toThrow('before')
  await expect(connectUnix('/nowhere', { signal })).rejects.toThrow('before')
  closedAfterTest(client)
})
