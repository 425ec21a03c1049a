/**
 * Descriptors whose close waits for their sender. Were one closed on the loop, the loop would stand
 * for two minutes, and the test would give up: nobody could tell the sender to let go.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { FileDescriptor } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { skipAllIf } from '../support/platform.js'
import {
  areNoMoreDescriptorsThan,
  noMoreDescriptorsThan,
  openDescriptors,
} from '../support/resources.js'
import { closedAfterTest } from '../support/rings.js'
import { closeAll, listening } from '../support/sockets.js'

/** Milliseconds: kPause of descriptor_closer_posix.cc. */
const afterALateClose = 2500

skipAllIf(process.platform !== 'linux', 'the sender is written for Linux')

async function sender(
  type: 'stream' | 'seqpacket',
  { connections = 1, count = 3, maxDescriptors = 253 } = {},
) {
  const server = await listening({ type, maxDescriptors })
  const args = [server.address, type, connections, count]
  const child = new Child('lingering_sender.py', args, { program: 'python3' })
  expect(await child.next()).toBe('sent')
  return { server, child }
}

async function letGo(child: Child): Promise<void> {
  expect(await child.ask('let go')).toBe('let go')
  await child.finish()
}

const types = ['stream', 'seqpacket'] as const

test.each(types)('those of a message are closed by their receiver: %s', async (type) => {
  const { server, child } = await sender(type, { count: 12 })
  const connection = closedAfterTest(await server.accept())
  for (let i = 0; i < 12; i++) closeAll((await connection.receive())?.fds ?? [])
  await letGo(child)
})

test.each(types)('a connection is closed with those that were not read: %s', async (type) => {
  const { server, child } = await sender(type)
  const connection = await server.accept()
  connection.destroy()
  await once(connection, 'close')
  await letGo(child)
})

test.each(types)('a server is closed with connections that were not accepted: %s', async (type) => {
  const { server, child } = await sender(type, { connections: 3 })
  server.close()
  await letGo(child)
})

test.each(types)('a limit is exceeded: %s', async (type) => {
  const { server, child } = await sender(type, { count: 1, maxDescriptors: 0 })
  const connection = closedAfterTest(await server.accept())
  await expect(connection.receive()).rejects.toMatchObject({ code: 'ERR_SLUICE_FDS_LIMIT' })
  await letGo(child)
})

test('one that nothing keeps is nearly always closed when it returns from close', async () => {
  const server = await listening()
  const before = openDescriptors()
  let late = 0
  for (let i = 0; i < 100; i++) {
    FileDescriptor.duplicate(server.fd).close()
    if (areNoMoreDescriptorsThan(before)) continue
    // The machine was busy with others; the loop does not wait again for a while.
    late++
    await noMoreDescriptorsThan(before)
    await sleep(afterALateClose)
  }
  expect(late).toBeLessThan(10)
})

test('others are closed meanwhile', async () => {
  const { server, child } = await sender('stream', { count: 2 })
  const connection = closedAfterTest(await server.accept())
  const before = openDescriptors()
  const lingering = [await connection.receive(), await connection.receive()]
  closeAll(lingering.flatMap((message) => message?.fds ?? []))
  for (let i = 0; i < 100; i++) FileDescriptor.adopt(FileDescriptor.duplicate(0).detach()).close()
  await noMoreDescriptorsThan(before)
  await letGo(child)
})
