/** Rings and memory for one test: closed and removed at its end. */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'

import {
  isSystemError,
  Ring,
  SharedMemory,
  type Consumer,
  type Producer,
  type SluiceErrorCode,
  type SystemErrorCode,
} from '../../lib/index.js'
import { native } from '../../lib/memory/native.js'
import { onWindows } from './platform.js'
import { namePrefix } from './resources.js'
import { writeWordsElsewhere } from './word_writer.js'

let lastName = 0

/** A name that no other test uses; what bears it at the end of the test is removed. */
export function uniqueName(): string {
  const name = `/${namePrefix}${String(++lastName)}`
  onTestFinished(() => {
    try {
      SharedMemory.unlink(name)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
    }
  })
  return name
}

/** Whether there is an object of this name. */
export function exists(name: string): boolean {
  if (!onWindows) return existsSync(`/dev/shm${name}`)
  try {
    SharedMemory.open(name).close()
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

export function closedAfterTest<T extends { close(): void }>(object: T): T {
  onTestFinished(() => {
    object.close()
  })
  return object
}

export function namedRing(capacity = 4096): Ring & { readonly name: string } {
  return closedAfterTest(Ring.create(uniqueName(), { capacity })) as Ring & { name: string }
}

/** Both ends of a new ring in this process. */
export function ringWithEnds(
  capacity = 4096,
  options: { spin?: number } = {},
): { ring: Ring; producer: Producer; consumer: Consumer } {
  const ring = closedAfterTest(Ring.anonymous({ capacity }))
  return { ring, producer: ring.producer(options), consumer: ring.consumer(options) }
}

/** Whether calls without a copy can be had here; the suite also runs without. */
export const zeroCopy = native.hasExternalBuffers()
export const noViews = 'this run does without views of shared memory'

/** Writes words of a named object as a foreign process could: without sluice. */
export function writeWords(name: string, words: Record<number, number>): void {
  if (onWindows) {
    writeSectionWords(name, words)
    return
  }
  const file = openSync(`/dev/shm${name}`, 'r+')
  try {
    for (const [offset, value] of Object.entries(words)) {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE(value >>> 0)
      writeSync(file, bytes, 0, 4, Number(offset))
    }
  } finally {
    closeSync(file)
  }
}

// Sections are no files: there is no other way in.
function writeSectionWords(name: string, words: Record<number, number>): void {
  if (!zeroCopy) {
    writeWordsElsewhere(name, words)
    return
  }
  const memory = SharedMemory.open(name)
  const view = new DataView(memory.buffer)
  for (const [offset, value] of Object.entries(words)) {
    view.setUint32(Number(offset), value >>> 0, true)
  }
  memory.close()
}

/** Moves both positions of a ring that nobody has claimed yet, as if it were old. */
export function setPositions(ring: { readonly name: string }, position: number): void {
  writeWords(ring.name, { 128: position, 256: position })
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text)
}

/** Matches a SluiceError of this code. */
export function sluiceError(
  code: SluiceErrorCode | SystemErrorCode,
  more: Record<string, unknown> = {},
): Error {
  return expect.objectContaining({ name: 'SluiceError', code, ...more }) as Error
}

/** Matches a SluiceError of a system call, where systems differ in what they fail with. */
export function systemFailure(more: Record<string, unknown> = {}): Error {
  return expect.objectContaining({
    name: 'SluiceError',
    code: expect.stringMatching(/^E(?!RR_)/) as string,
    syscall: expect.any(String) as string,
    errno: expect.any(Number) as number,
    ...more,
  }) as Error
}

/**
 * Turns an error that the call throws at once into a rejection: to most tests they are the same.
 */
export async function attempt(call: () => unknown): Promise<unknown> {
  return await call()
}
