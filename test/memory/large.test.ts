/** Memory that is longer than an ArrayBuffer can be. */
import { constants } from 'node:buffer'
import { mkdtempSync, openSync, closeSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'

import { native } from '../../lib/memory/native.js'
import { Ring, SharedMemory } from '../../lib/index.js'
import { onlyIf, unixOnly } from '../support/platform.js'
import { eventually, sharedMappings } from '../support/resources.js'
import { closedAfterTest, sluiceError, uniqueName, zeroCopy } from '../support/rings.js'

const size = 6 * 2 ** 30
const limited = onlyIf(
  constants.MAX_LENGTH < size && process.platform === 'linux' && zeroCopy,
  'an ArrayBuffer can be as long here',
)
const onLinux = onlyIf(process.platform === 'linux', 'needs sparse files and /proc')

/** A file without blocks. */
function sparseFile(bytes = size): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  const path = join(directory, 'sparse')
  writeFileSync(path, '')
  truncateSync(path, bytes)
  return path
}

limited('its buffers are refused, with the way out, and it stays usable in parts', () => {
  const path = sparseFile()
  const memory = closedAfterTest(SharedMemory.mapFile(path))
  expect(memory.size).toBe(size)
  for (const property of ['buffer', 'sharedBuffer'] as const) {
    expect(() => memory[property]).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
    expect(() => memory[property]).toThrow(
      /6442450944 bytes.*open, fromFd and mapFile take offset and length/,
    )
  }
  const part = closedAfterTest(SharedMemory.mapFile(path, { offset: 5 * 2 ** 30, length: 4096 }))
  new Uint8Array(part.buffer)[7] = 42
  const same = closedAfterTest(
    SharedMemory.fromFd(memory.fd, {
      offset: 5 * 2 ** 30 + 7,
      length: 1,
      requireSeals: false,
    }),
  )
  expect([...new Uint8Array(same.buffer)]).toEqual([42])
})

limited('the native side refuses them too, and gives the memory back once', async () => {
  const path = sparseFile()
  for (let i = 0; i < 50; i++) {
    const handle = native.mapFile(path, 0, undefined, false, false)
    expect(() => handle.buffer()).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
    handle.close()
    expect(sharedMappings([path])).toEqual([])
  }
  // The runtime runs finalizers in later turns; those of refused buffers must find nothing.
  let turns = 0
  await eventually(() => ++turns > 20)
})

onLinux('a ring in it uses its own bytes alone, whatever their number', () => {
  for (const bytes of [size, 2 ** 20 + 3]) {
    const name = uniqueName()
    closedAfterTest(Ring.create(name, { capacity: 4096 }))
    truncateSync(`/dev/shm${name}`, bytes)
    const ring = closedAfterTest(Ring.open(name))
    const producer = ring.producer()
    const consumer = ring.consumer()
    expect(producer.tryWrite(Buffer.from('hello'))).toBe(true)
    expect(consumer.tryRead()?.toString()).toBe('hello')
  }
})

unixOnly('there are no descriptors on Windows')('a range of a descriptor', () => {
  const whole = closedAfterTest(SharedMemory.anonymous({ size: 10_000 }))
  new Uint8Array(whole.buffer).set([1, 2, 3], 4095)
  const part = (options: { offset?: number; length?: number }) =>
    closedAfterTest(SharedMemory.fromFd(whole.fd, { requireSeals: false, ...options }))
  expect([...new Uint8Array(part({ offset: 4095, length: 3 }).buffer)]).toEqual([1, 2, 3])
  expect(part({ offset: 9_999 }).size).toBe(1)
  expect(part({ length: 1 }).size).toBe(1)
  for (const options of [
    { offset: 10_000 },
    { length: 10_001 },
    { offset: 9_000, length: 1_001 },
  ]) {
    expect(() => part(options)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  }
})

unixOnly('there are no descriptors on Windows')('a range is checked', () => {
  const path = sparseFile(1)
  const file = openSync(path, 'r+')
  onTestFinished(() => {
    closeSync(file)
  })
  for (const options of [{ offset: -1 }, { offset: 0.5 }, { length: 0 }]) {
    const refused = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => SharedMemory.fromFd(file, { requireSeals: false, ...options })).toThrow(refused)
  }
})
