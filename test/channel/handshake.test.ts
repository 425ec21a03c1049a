import { closeSync, ftruncateSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'

import { ControlKind, type ControlMessage } from '../../lib/channel/control_message.js'
import { Feature } from '../../lib/channel/handshake.js'
import {
  Channel,
  connectChannel,
  connectUnix,
  Ring,
  SharedMemory,
  UnixServer,
  type DescriptorSource,
} from '../../lib/index.js'
import { channelServer, RawPeer } from '../support/channels.js'
import { makeFifo, temporaryFolder } from '../support/folder.js'
import { onlyIf, unixOnly } from '../support/platform.js'
import { eventually, holdsNoMoreThan, resources } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { listening, socketPath } from '../support/sockets.js'

const test = unixOnly('the peer by hand speaks over Unix sockets')

/** Memory without a name that this process has open. */
function memories(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('/memfd:')
    } catch {
      return false // it was the directory's
    }
  }).length
}

const linux = onlyIf(process.platform === 'linux', 'memory is sealed, and /proc shows it, on Linux')

describe('the handshake', () => {
  test('gives both sides a channel', async () => {
    const server = await channelServer()
    const [client, accepted] = await Promise.all([connectChannel(server.address), server.accept()])
    for (const end of [client, accepted]) expect(closedAfterTest(end)).toBeInstanceOf(Channel)
    expect(client.peer).toMatchObject({ pid: process.pid, sameUser: true })
  })

  test.each([
    { lowest: 1, highest: 9, features: 0xffffffff, means: 'a newer client' },
    { lowest: 0, highest: 1, features: 0, means: 'an older client' },
  ])('takes the highest common version, and ignores unknown features: $means', async (versions) => {
    const server = await channelServer()
    const peer = await RawPeer.connect(server.address)
    const { lowest, highest, features } = versions
    await peer.hello({ lowest, highest, features })
    const { offer } = await peer.offered()
    expect(offer.version).toBe(1)
  })

  test.each([
    { lowest: 2, highest: 9, required: 0, text: 'speaks version 1, the client 2 to 9' },
    { lowest: 1, highest: 1, required: 0x80, text: 'does not know the features 0x80' },
  ])('is refused with a text: $text', async ({ text, ...hello }) => {
    const server = await channelServer()
    const peer = await RawPeer.connect(server.address)
    await peer.hello(hello)
    expect(await peer.hear()).toMatchObject({
      kind: ControlKind.reject,
      text: expect.stringContaining(text) as string,
    })
    expect(await peer.hear()).toBeUndefined()
    expect(server.stats().rejected.handshake).toBe(1)
  })

  test('a client learns why it is refused', async () => {
    const server = await listening()
    const connecting = connectChannel(server.address)
    const peer = new RawPeer(await server.accept())
    await peer.hear()
    await peer.say({ kind: ControlKind.reject, reason: 1, text: 'too new for me' })
    await expect(connecting).rejects.toMatchObject({
      code: 'ERR_SLUICE_VERSION_MISMATCH',
      message: expect.stringContaining('too new for me') as string,
    })
  })

  linux('comes after `authorize`, and only then memory', async () => {
    const before = memories()
    let seen = -1
    const server = await channelServer({
      authorize: (peer) => {
        seen = memories() - before
        return !peer.sameUser
      },
    })
    await expect(connectChannel(server.address)).rejects.toMatchObject({
      code: 'ERR_SLUICE_DISCONNECTED',
    })
    expect(seen).toBe(0)
    expect(memories()).toBe(before)
    expect(server.stats()).toMatchObject({ rejected: { authorize: 1 }, admitted: 0, open: 0 })
  })

  linux('makes no memory for a client that has not said what it is', async () => {
    const server = await channelServer()
    const before = memories()
    const peers = await Promise.all(
      Array.from({ length: 10 }, () => RawPeer.connect(server.address)),
    )
    expect(memories()).toBe(before)
    for (const peer of peers) peer.connection.destroy()
    await eventually(() => server.stats().rejected.handshake === peers.length)
  })

  test('has a deadline: a client that is silent is turned away, and others are served', async () => {
    const server = await channelServer({ handshakeTimeout: 50 })
    const silent = [
      await RawPeer.connect(server.address),
      await RawPeer.connect(server.address),
      await RawPeer.connect(server.address),
    ]
    await silent[1]?.connection.send(Buffer.of(40))
    await silent[2]?.hello()
    await silent[2]?.offered()
    for (const peer of silent) expect(await peer.hear()).toBeUndefined()
    expect(server.stats()).toMatchObject({ rejected: { handshake: 3 }, open: 0 })
    const [client, accepted] = await Promise.all([connectChannel(server.address), server.accept()])
    for (const end of [client, accepted]) closedAfterTest(end)
  })

  test('a flood of clients that never go on costs each its connection, and nobody waits', async () => {
    const server = await channelServer({ handshakeTimeout: 200 })
    const before = resources()
    const flood = await Promise.all(
      Array.from({ length: 100 }, () => RawPeer.connect(server.address)),
    )
    const [client, accepted] = await Promise.all([connectChannel(server.address), server.accept()])
    for (const end of [client, accepted]) closedAfterTest(end).destroy()
    for (const peer of flood) expect(await peer.hear()).toBeUndefined()
    for (const peer of flood) peer.connection.destroy()
    await eventually(() => holdsNoMoreThan(before))
  })

  test('a server that never answers is left when the time is up', async () => {
    const server = await listening()
    const options = { timeout: 30 }
    await expect(connectChannel(server.address, options)).rejects.toThrow(
      sluiceError('ERR_SLUICE_TIMEOUT'),
    )
    await expect(connectChannel(server.address, { handshakeTimeout: 30 })).rejects.toThrow(
      sluiceError('ERR_SLUICE_TIMEOUT'),
    )
    const reason = new Error('enough')
    const controller = new AbortController()
    const connecting = connectChannel(server.address, { signal: controller.signal })
    closedAfterTest(await server.accept())
    controller.abort(reason)
    await expect(connecting).rejects.toBe(reason)
  })

  test.each<[string, (peer: RawPeer) => Promise<unknown>]>([
    ['says nothing of the kind', (peer) => peer.connection.send(Buffer.from('GET / HTTP/1.1\r\n'))],
    [
      'says the wrong magic',
      (peer) => peer.connection.send(Buffer.from('\x1f\0\x01SLUICEXX'.padEnd(33))),
    ],
    ['begins in the middle', (peer) => peer.say({ kind: ControlKind.ready })],
    ['wishes for a ring that cannot be', (peer) => peer.hello({ toServer: 5000 })],
    [
      'repeats itself',
      async (peer) => {
        await peer.hello()
        await peer.offered()
        await peer.hello()
      },
    ],
    [
      'accepts what was not offered to it',
      async (peer) => {
        await peer.hello()
        await peer.offered()
        await peer.say({ kind: ControlKind.accept, token: Buffer.alloc(16) })
      },
    ],
    [
      'takes an end of the rings that is not its own',
      async (peer) => {
        await peer.hello()
        const { offer, fds } = await peer.offered()
        for (const fd of fds) closedAfterTest(Ring.fromFd(fd))
        await peer.say({ kind: ControlKind.accept, token: Buffer.from(offer.token).fill(1) })
      },
    ],
  ])('a client that %s is turned away', async (_, speak) => {
    const server = await channelServer()
    const before = resources()
    const peer = await RawPeer.connect(server.address)
    await speak(peer)
    expect(await peer.hear()).toBeUndefined()
    await eventually(() => server.stats().rejected.handshake === 1)
    peer.close()
    await eventually(() => holdsNoMoreThan({ ...before, ...resourcesOfPeer(before) }))
    const accepting = server.accept()
    closedAfterTest(await connectChannel(server.address))
    closedAfterTest(await accepting)
  })

  test.each(['hello', 'offer', 'accept', 'ready'] as const)(
    'a client that goes after %s leaves nothing',
    async (step) => {
      const server = await channelServer()
      const before = resources()
      for (let round = 0; round < 10; round++) {
        const peer = new RawPeer(await connectUnix(server.address))
        await peer.hello()
        if (step !== 'hello') {
          const offer = await peer.hear()
          if (offer?.kind !== ControlKind.offer) throw new Error('there was no offer')
          if (step !== 'offer') {
            await peer.say({ kind: ControlKind.accept, token: offer.token })
            if (step === 'ready') await peer.hear()
          }
        }
        peer.close()
      }
      await eventually(() => server.stats().admitted + server.stats().rejected.handshake === 10)
      for (let left = server.stats().waiting; left > 0; left--) {
        ;(await server.accept()).on('error', () => undefined).destroy()
      }
      await eventually(
        () => holdsNoMoreThan(before),
        () => JSON.stringify([before, resources()]),
      )
    },
  )

  test.each(['hello', 'offer', 'accept'] as const)(
    'a server that goes after %s is an error for its client, and leaves nothing',
    async (step) => {
      const server = await listening()
      const before = resources()
      const connecting = connectChannel(server.address)
      const peer = new RawPeer(await server.accept())
      await peer.hear()
      const rings = [Ring.anonymous({ capacity: 4096 }), Ring.anonymous({ capacity: 4096 })]
      if (step !== 'hello') {
        await peer.say(offerOf(4096), rings)
        if (step === 'accept') expect((await peer.hear())?.kind).toBe(ControlKind.accept)
      }
      peer.connection.destroy()
      await expect(connecting).rejects.toMatchObject({
        code: expect.stringMatching(/^(ERR_SLUICE_DISCONNECTED|ECONNRESET|EPIPE)$/) as string,
      })
      for (const ring of rings) ring.close()
      await eventually(() => holdsNoMoreThan(before))
    },
  )
})

/** The descriptors that a test's own peer still has. */
function resourcesOfPeer(before: ReturnType<typeof resources>) {
  const memory = '/memfd:sluice'
  const descriptors = { ...before.descriptors }
  for (const kind of Object.keys(resources().descriptors)) {
    if (kind.includes(memory)) descriptors[kind] = resources().descriptors[kind] ?? 0
  }
  return { descriptors, mappings: resources().mappings }
}

function offerOf(capacity: number): ControlMessage {
  return {
    kind: ControlKind.offer,
    version: 1,
    features: 1,
    toServer: capacity,
    toClient: capacity,
    token: Buffer.alloc(16, 7),
  }
}

describe('memory that a client cannot have', () => {
  const size = 4096 + 4096

  const offers: [string, () => DescriptorSource][] = [
    [
      'that its maker could shrink',
      () => closedAfterTest(SharedMemory.anonymous({ size, seal: false })),
    ],
    ['that is too short', () => closedAfterTest(SharedMemory.anonymous({ size: 100 }))],
    ['that is no ring', () => closedAfterTest(SharedMemory.anonymous({ size }))],
    ['that is a ring of another size', () => closedAfterTest(Ring.anonymous({ capacity: 8192 }))],
    [
      'that is a file',
      () => {
        const fd = openSync(join(temporaryFolder(), 'file'), 'w+')
        ftruncateSync(fd, size)
        closedAfterTest({
          close() {
            closeSync(fd)
          },
        })
        return fd
      },
    ],
    [
      'that is a FIFO',
      () => {
        const path = join(temporaryFolder(), 'fifo')
        makeFifo(path)
        const fd = openSync(path, 'r+')
        closedAfterTest({
          close() {
            closeSync(fd)
          },
        })
        return fd
      },
    ],
  ]

  async function offer(
    memory: DescriptorSource,
    options: { required?: boolean } = {},
  ): Promise<{ connecting: ReturnType<typeof connectChannel>; peer: RawPeer }> {
    const server = await listening()
    const connecting = connectChannel(server.address, options)
    connecting.catch(() => undefined)
    const peer = new RawPeer(await server.accept())
    await peer.hear()
    await peer.say(offerOf(4096), [memory, closedAfterTest(Ring.anonymous({ capacity: 4096 }))])
    return { connecting, peer }
  }

  linux.each(offers)('%s: the connection goes on as a plain stream', async (_, make) => {
    const { connecting, peer } = await offer(make())
    expect((await peer.hear())?.kind).toBe(ControlKind.reject)
    await peer.say({ kind: ControlKind.plain })
    await peer.connection.send(Buffer.from('at once'))
    const plain = closedAfterTest(await connecting)
    expect(plain).not.toBeInstanceOf(Channel)
    expect((await plain.receive())?.data.toString()).toBe('at once')
    await plain.send(Buffer.from('back'))
    expect((await peer.connection.receive())?.data.toString()).toBe('back')
  })

  linux.each(offers)('%s: an error where a channel is required', async (_, make) => {
    const { connecting, peer } = await offer(make(), { required: true })
    expect((await peer.hear())?.kind).toBe(ControlKind.reject)
    await expect(connecting).rejects.toMatchObject({
      code: expect.stringMatching(
        /^ERR_SLUICE_(UNSEALED|NOT_A_RING|TIMEOUT|INVALID_ARGUMENT)$/,
      ) as string,
    })
    expect(await peer.hear()).toBeUndefined()
  })

  test('fewer descriptors than rings end the connection', async () => {
    const server = await listening()
    const connecting = connectChannel(server.address)
    const peer = new RawPeer(await server.accept())
    await peer.hear()
    await peer.say(offerOf(4096), [closedAfterTest(Ring.anonymous({ capacity: 4096 }))])
    await expect(connecting).rejects.toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  })

  test('the server goes on with a client that refuses, unless it requires a channel', async () => {
    for (const required of [false, true]) {
      const server = await channelServer({ required })
      const peer = await RawPeer.connect(server.address)
      await peer.hello()
      await peer.offered()
      await peer.say({ kind: ControlKind.reject, reason: 3, text: 'no room' })
      if (required) {
        expect(await peer.hear()).toMatchObject({ kind: ControlKind.reject })
        expect(await peer.hear()).toBeUndefined()
        continue
      }
      expect(await peer.hear()).toEqual({ kind: ControlKind.plain })
      const accepted = closedAfterTest(await server.accept())
      expect(accepted).not.toBeInstanceOf(Channel)
      await peer.connection.send(Buffer.from('plainly'))
      expect((await accepted.receive())?.data.toString()).toBe('plainly')
    }
  })

  test('a client that takes no plain stream and gets one is told', async () => {
    const path = socketPath()
    const server = closedAfterTest(await UnixServer.listen(path))
    const connecting = connectChannel(path, { required: true })
    const peer = new RawPeer(await server.accept())
    const hello = await peer.hear()
    expect(hello?.kind === ControlKind.hello && hello.features & Feature.plain).toBe(0)
    await peer.say({ kind: ControlKind.plain })
    await expect(connecting).rejects.toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  })
})
