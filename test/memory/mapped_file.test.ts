import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { SharedMemory } from '../../lib/index.js'
import { onWindows, unixOnly } from '../support/platform.js'
import { eventually, sharedMappings } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

function file(contents: Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  onTestFinished(async () => {
    // Windows does not remove a file that is mapped, and a mapping goes with its ArrayBuffer.
    await eventually(() => {
      try {
        rmSync(directory, { recursive: true, force: true })
        return true
      } catch (error) {
        if (!onWindows) throw error
        return false
      }
    })
  })
  const path = join(directory, 'file')
  writeFileSync(path, contents)
  return path
}

function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff))
}

function map(path: string, options?: Parameters<typeof SharedMemory.mapFile>[1]) {
  return closedAfterTest(SharedMemory.mapFile(path, options))
}

test('a mapped file has its contents', () => {
  const contents = pattern(10_000)
  const memory = map(file(contents))
  expect(Buffer.from(memory.buffer).equals(contents)).toBe(true)
  expect([memory.size, memory.name]).toEqual([10_000, undefined])
})

test('stores reach the file', async () => {
  const path = file(Buffer.alloc(100))
  const memory = map(path)
  new Uint8Array(memory.buffer).set(Buffer.from('hello'), 50)
  await memory.sync()
  expect(readFileSync(path).subarray(50, 55).toString()).toBe('hello')
})

test.each([0, 1, 4095, 4096, 5000, 9999])('a range may begin anywhere: at %i', (offset) => {
  const contents = pattern(10_000)
  const memory = map(file(contents), { offset })
  expect(Buffer.from(memory.buffer).equals(contents.subarray(offset))).toBe(true)
})

test('a range may be shorter than the rest', () => {
  const contents = pattern(10_000)
  const memory = map(file(contents), { offset: 4097, length: 3 })
  expect(Buffer.from(memory.buffer)).toEqual(contents.subarray(4097, 4100))
})

test('stores into an unaligned range reach the file where they should', async () => {
  const path = file(Buffer.alloc(10_000))
  const memory = map(path, { offset: 5001, length: 10 })
  new Uint8Array(memory.buffer).fill(7)
  await memory.sync()
  const expected = Buffer.alloc(10_000)
  expected.fill(7, 5001, 5011)
  expect(readFileSync(path).equals(expected)).toBe(true)
})

test('read-only: stores stay in this process', async () => {
  const path = file(pattern(100))
  const memory = map(path, { readOnly: true })
  new Uint8Array(memory.buffer).fill(1)
  await memory.sync()
  expect(readFileSync(path).equals(pattern(100))).toBe(true)
})

unixOnly('mappings are listed in /proc')('populated: all is there at once', () => {
  const contents = pattern(2 ** 20)
  const path = file(contents)
  const memory = map(path, { populate: true })
  const [head, ...others] = sectionOf(path)
  expect(head).toContain(path)
  expect(others.find((line) => line.startsWith('Rss:'))).toMatch(/1024 kB/)
  expect(Buffer.from(memory.buffer).equals(contents)).toBe(true)
})

function sectionOf(path: string): string[] {
  const lines = readFileSync('/proc/self/smaps', 'utf8').split('\n')
  const start = lines.findIndex((line) => line.includes(path))
  return lines.slice(start, start + 20)
}

unixOnly('mappings are listed in /proc')('closing unmaps it', () => {
  const path = file(pattern(4096))
  const memory = SharedMemory.mapFile(path)
  expect(sharedMappings([path])).toHaveLength(1)
  memory.close()
  expect(sharedMappings([path])).toHaveLength(0)
})

test.each([
  ['begins at the end', { offset: 100 }],
  ['begins beyond the end', { offset: 101 }],
  ['reaches beyond the end', { offset: 50, length: 51 }],
  ['is longer than the file', { length: 101 }],
  ['is huge', { offset: 1, length: Number.MAX_SAFE_INTEGER }],
  ['begins very far out', { offset: Number.MAX_SAFE_INTEGER }],
])('a range that %s is refused, for its pages would fault', (_, options) => {
  expect(() => SharedMemory.mapFile(file(pattern(100)), options)).toThrow(
    sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
  )
})

test('an empty file is refused', () => {
  const path = file(Buffer.alloc(0))
  expect(() => SharedMemory.mapFile(path)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  truncateSync(path, 1)
  expect(map(path).size).toBe(1)
})

unixOnly('the paths are those of Unix')('what is no file is refused', () => {
  expect(() => SharedMemory.mapFile('/', { readOnly: true })).toThrow(/not a regular file/)
  expect(() => SharedMemory.mapFile('/nowhere/at/all')).toThrow(
    sluiceError('ENOENT', {
      syscall: 'open',
      path: '/nowhere/at/all',
    }),
  )
  expect(() => SharedMemory.mapFile('/etc/pass\0wd')).toThrow(/NUL/)
})

test('sync after close rejects; close during sync lets it finish', async () => {
  const memory = SharedMemory.mapFile(file(pattern(100_000)))
  const pending = memory.sync()
  memory.close()
  await expect(pending).resolves.toBeUndefined()
  await expect(memory.sync()).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
})
