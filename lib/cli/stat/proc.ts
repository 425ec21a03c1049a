/**
 * Reading /proc: a process can be gone by the next call, or not be for this user's eyes, and what it
 * shows is as long as some other process makes it.
 */
import { closeSync, constants, opendirSync, openSync, readlinkSync, readSync } from 'node:fs'

import { isSystemError } from '../../index.js'
import { isForbidden } from '../failure.js'

const chunkSize = 64 * 1024

/** Undefined when it is gone, or not for this user. */
export function ifThere<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (isForbidden(error) || isGone(error)) return undefined
    throw error
  }
}

export function isGone(error: unknown): boolean {
  // EINVAL: it is ending, and has no mounts any more.
  return isSystemError(error, 'ENOENT', 'ESRCH', 'ENOTDIR', 'EINVAL')
}

/** The beginning of a file as text, as far as `most` bytes go. */
export function readText(path: string, most: number): string {
  const file = openSync(path, constants.O_RDONLY)
  try {
    const chunks: Buffer[] = []
    for (let length = 0; length < most;) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkSize, most - length))
      const count = readSync(file, chunk)
      if (count === 0) break
      chunks.push(chunk.subarray(0, count))
      length += count
    }
    return Buffer.concat(chunks).toString()
  } finally {
    closeSync(file)
  }
}

/** The names in a directory that are numbers, `most` at most. */
export function numbersIn(path: string, most: number): number[] {
  const directory = opendirSync(path, { bufferSize: 256 })
  try {
    const numbers: number[] = []
    while (numbers.length < most) {
      const entry = directory.readSync()
      if (entry === null) break
      if (/^\d+$/.test(entry.name)) numbers.push(Number(entry.name))
    }
    return numbers
  } finally {
    directory.closeSync()
  }
}

/** The text of a descriptor's link; the object that it leads to is not touched. */
export function targetOf(pid: number, descriptor: number): string | undefined {
  return ifThere(() => readlinkSync(`/proc/${String(pid)}/fd/${String(descriptor)}`))
}
