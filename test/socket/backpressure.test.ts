/** Memory while the reader sleeps, by the system's own word and of two processes. */
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'

import { Child } from '../support/child.js'
import { closedAfterTest } from '../support/rings.js'
import { listening } from '../support/sockets.js'

const mebibyte = 2 ** 20
const total = 1024 * mebibyte
// An eighth of what is sent. The heap of a process that has run this much code grows by some.
const mostGrowth = 128 * mebibyte

test('neither the writer nor the sleeping reader grows with what is sent, nor who is between', async () => {
  const server = await listening()
  const start = (what: string) =>
    new Child('stream_end.mjs', [server.address, what, total], { execArgv: ['--expose-gc'] })
  const writer = start('write')
  const fromWriter = closedAfterTest(await server.accept())
  const writerBefore = await writer.next<number>()
  const reader = start('read')
  const toReader = closedAfterTest(await server.accept())
  const readerBefore = await reader.next<number>()
  const forwarding = pipeline(fromWriter, toReader)
  expect(await reader.next()).toBe('asleep')
  // A writer that blocks has filled everything there is up to the reader.
  const writerBlocked = await writer.ask<number>('are you blocked')
  expect(fromWriter.bytesRead).toBeLessThan(mostGrowth)
  expect(fromWriter.readableLength + toReader.writableLength).toBeLessThan(mebibyte)
  const readerAsleep = await reader.ask<number>('wake up')
  expect(await reader.next()).toBe(total)
  const [writerAfter, readerAfter] = [await writer.next<number>(), await reader.next<number>()]
  await forwarding
  for (const memory of [writerBlocked, writerAfter]) {
    expect(memory - writerBefore).toBeLessThan(mostGrowth)
  }
  for (const memory of [readerAsleep, readerAfter]) {
    expect(memory - readerBefore).toBeLessThan(mostGrowth)
  }
  await Promise.all([writer.finish(), reader.finish()])
})
