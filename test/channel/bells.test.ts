import { closeSync, openSync } from 'node:fs'
import { describe, expect } from 'vitest'

import { Bell, ControlKind } from '../../lib/channel/control_message.js'
import { Feature } from '../../lib/channel/handshake.js'
import { consumerParkedWord } from '../../lib/ring/layout.js'
import { capabilities, Channel, connectChannel, UnixServer } from '../../lib/index.js'
import { channelServer, RawPeer, withRawPeer as withAnyRawPeer } from '../support/channels.js'
import { Child } from '../support/child.js'
import { onlyIf, onWindows, unixOnly } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'

const test = unixOnly('channels have bells of their own on Unix only')
const { zeroCopy } = capabilities()

const withRawPeer = () => withAnyRawPeer(Feature.plain | Feature.bells)

/** The bytes that have come by the control connection; undefined: none within a while. */
async function heard(peer: RawPeer): Promise<number[] | undefined> {
  const message = await peer.connection.receive({ timeout: 200 }).catch(() => undefined)
  return message === undefined ? undefined : [...message.data]
}

describe('a bell', () => {
  test('is offered where this process can ring it', async () => {
    const path = socketPath()
    const server = closedAfterTest(await UnixServer.listen(path))
    const connecting = connectChannel(path)
    const peer = new RawPeer(await server.accept())
    const hello = await peer.hear()
    if (hello?.kind !== ControlKind.hello) throw new Error('there was no HELLO')
    expect((hello.features & Feature.bells) !== 0).toBe(zeroCopy)
    peer.close()
    await expect(connecting).rejects.toThrow(sluiceError('ERR_SLUICE_DISCONNECTED'))
  })

  test('is rung for records when the peer sleeps, and only then', async () => {
    const { channel, peer, toClient } = await withRawPeer()
    const consumer = toClient.consumer()
    await channel.send(Buffer.from('nobody sleeps'))
    expect(await heard(peer)).toBeUndefined()
    expect((await consumer.read())?.toString()).toBe('nobody sleeps')

    const reading = consumer.read()
    await channel.send(Buffer.from('somebody sleeps'))
    expect((await reading)?.toString()).toBe('somebody sleeps')
    expect(await heard(peer)).toEqual(zeroCopy ? [Bell.records] : undefined)
  })

  test('is rung for room when the producer sleeps', async () => {
    const { channel, peer, toServer } = await withRawPeer()
    const producer = toServer.producer()
    const message = Buffer.alloc(8000)
    let left = message.length
    while (producer.tryWrite(message)) left += message.length
    const writing = producer.write(message)
    while (left > 0) left -= (await channel.receive())?.data.length ?? left
    await writing
    expect(await heard(peer)).toEqual(zeroCopy ? [Bell.room] : undefined)
  })

  test('is rung when a side ends', async () => {
    const { channel, peer } = await withRawPeer()
    channel.end()
    expect(await heard(peer)).toEqual(zeroCopy ? [Bell.records] : undefined)
  })

  test('is no byte for a peer that does not know it', async () => {
    const { channel, peer, toClient } = await withAnyRawPeer(Feature.plain)
    const reading = toClient.consumer().read()
    await channel.send(Buffer.from('hello'))
    expect((await reading)?.toString()).toBe('hello')
    expect(await heard(peer)).toBeUndefined()
  })

  test('that a peer sends although it does not know bells ends the channel', async () => {
    const { channel, peer } = await withAnyRawPeer(Feature.plain)
    const receiving = channel.receive()
    receiving.catch(() => undefined)
    await peer.connection.send(Buffer.alloc(3))
    await expect(receiving).rejects.toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  })

  test.each(['sleeps', 'does not sleep'])(
    'that never comes loses nothing: the reader %s',
    async (how) => {
      const { channel, toServer } = await withRawPeer()
      const receiving = how === 'sleeps' ? channel.receive({ timeout: 30_000 }) : undefined
      await new Promise((resolve) => setTimeout(resolve, 20))
      const producer = toServer.producer()
      producer.tryWrite(Buffer.from('hello')) // whose doorbell is another
      const message = await (receiving ?? channel.receive({ timeout: 30_000 }))
      expect(message?.data.toString()).toBe('hello')
    },
  )

  test('that never comes loses no room, either', async () => {
    const { channel, toClient } = await withRawPeer()
    const sending = channel.send(Buffer.alloc(100_000), { timeout: 30_000 })
    const consumer = toClient.consumer()
    for (let length = 0; length < 100_000;) length += (await consumer.read())?.length ?? 0
    await sending
  })

  onlyIf(zeroCopy && !onWindows, 'this process has no bells')(
    'can be rung for nothing, a million times',
    async () => {
      const { channel, peer, toServer } = await withRawPeer()
      const receiving = channel.receive({ timeout: 30_000 })
      for (let i = 0; i < 16; i++) {
        const bells = Buffer.alloc(65_536, i % 2 === 0 ? Bell.records : Bell.room)
        await peer.connection.send(bells, { timeout: 30_000 })
      }
      toServer.producer().tryWrite(Buffer.from('at last'))
      await peer.connection.send(Buffer.of(Bell.records))
      expect((await receiving)?.data.toString()).toBe('at last')
      expect(channel.destroyed).toBe(false)
    },
  )

  onlyIf(zeroCopy && !onWindows, 'this process has no bells')(
    'that its peer never hears makes nothing grow',
    async () => {
      const { channel, peer, toClient } = await withRawPeer()
      const consumer = toClient.consumer()
      const words = new Int32Array(consumer.bytes.buffer)
      for (let i = 0; i < 5000; i++) {
        Atomics.store(words, consumerParkedWord, 1) // it says that it sleeps, and reads no bell
        await channel.send(Buffer.from('hello'))
        consumer.tryRead()
      }
      // Bells for which the system had no room were not kept.
      let count = 0
      for (let bytes; (bytes = await heard(peer)) !== undefined;) count += bytes.length
      expect(count).toBeGreaterThan(10)
      expect(count).toBeLessThan(2000)
      expect(channel.destroyed).toBe(false)
    },
  )

  test.each([
    ['a number that is none', [9]],
    ['a message of the handshake', [1, 0, ControlKind.ready]],
    ['half a message that is none, behind bells', [0, 1, 0, 200, 200, 200]],
  ])('that is none ends the channel: %s', async (_, bytes) => {
    const { channel, peer } = await withRawPeer()
    const receiving = channel.receive()
    receiving.catch(() => undefined)
    await peer.connection.send(Buffer.from([...bytes, 0, 0]))
    await expect(receiving).rejects.toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
    expect(channel.destroyed).toBe(true)
  })

  test.each([
    [0, 200],
    [3, 50],
    [250, 4], // longer than a sleep is left to the bell alone
  ])('wakes one that has slept for %i ms', async (pause, times) => {
    const server = await channelServer()
    const child = new Child('channel_late.mjs', [server.address, pause, times])
    const channel = closedAfterTest(await server.accept())
    const came: number[] = []
    for await (const chunk of channel) came.push(...(chunk as Buffer))
    expect(came).toEqual(Array.from({ length: times }, (_, i) => i & 255))
    expect(await child.exited).toEqual({ code: 0, signal: null })
  })

  test('wakes a thread that is blocked', async () => {
    const server = await channelServer()
    const child = new Child('channel_late.mjs', [server.address, 20, 3])
    const channel = closedAfterTest(await server.accept())
    if (!(channel instanceof Channel)) throw new Error('the connection is no channel')
    for (let i = 0; i < 3; i++) expect(channel.consumer.readSync(30_000)).toEqual(Buffer.of(i))
    expect(channel.consumer.readSync(30_000)).toBeUndefined()
    channel.close()
    expect(await child.exited).toEqual({ code: 0, signal: null })
  })

  const waits: Record<string, (channel: Channel) => Promise<unknown>> = {
    read: (channel) => channel.consumer.read(),
    consume: (channel) => channel.consumer.consume(() => undefined),
    iteration: async (channel) => {
      for await (const message of channel.consumer) expect(message).toBeUndefined()
    },
    ready: (channel) => channel.producer.ready(channel.producer.bytes.length / 4),
    write: async (channel) => {
      for (;;) await channel.producer.write(Buffer.alloc(10_000))
    },
  }
  onlyIf(zeroCopy && !onWindows, 'the rings are used directly').each(
    Object.keys(waits).flatMap((what) => [20, 300].map((ms) => [what, ms] as const)),
  )('of a peer that is killed is not waited for: %s, after %i ms', async (what, ms) => {
    const server = await channelServer()
    const child = new Child('channel_dies.mjs', [server.address])
    await child.next()
    const channel = closedAfterTest(await server.accept())
    if (!(channel instanceof Channel)) throw new Error('the connection is no channel')
    channel.on('error', () => undefined)
    while (channel.producer.tryWrite(Buffer.alloc(10_000)));
    const waiting = waits[what](channel)
    waiting.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, ms))
    child.kill('SIGKILL')
    await expect(waiting).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_DIED'))
  })

  test('to a peer that has gone costs nothing of what it had sent', async () => {
    const server = await channelServer({ allowHalfOpen: true })
    const file = openSync('/dev/null', 'r')
    for (let round = 0; round < 20; round++) {
      const client = await connectChannel(server.address)
      const channel = await server.accept()
      const closed = (async () => {
        for (let i = 0; i < 12; i++) await client.send(Buffer.from('x'), { fds: [file] })
        await client.closeWrite()
        client.close()
      })()
      let count = 0
      for (let message; (message = await channel.receive()) !== undefined; count++) {
        if (count === 0) channel.end()
        if ('fds' in message) for (const fd of message.fds) fd.close()
      }
      expect(count).toBe(12)
      await closed
      channel.close()
    }
    closeSync(file)
  })

  test('cannot be heard behind many descriptors, and nobody waits for it', async () => {
    const { channel, peer, toClient } = await withRawPeer()
    const file = openSync('/dev/null', 'r')
    const sending = channel.send(Buffer.alloc(2 ** 20), { timeout: 30_000 })
    for (let number = 1; number <= 17; number++) {
      await peer.say({ kind: ControlKind.cargo, number, count: 1 }, [file])
    }
    const consumer = toClient.consumer()
    for (let left = 2 ** 20; left > 0;) left -= (await consumer.read())?.length ?? left
    await sending
    closeSync(file)
  })
})
