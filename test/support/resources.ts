/** The system's resources that this process holds, by the system's own word. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import { openHandles, processResources } from './diagnostics.js'
import { onWindows } from './platform.js'

export interface Resources {
  /** How many descriptors are open, by what they refer to. */
  descriptors: Record<string, number>
  threads: number
  /** Mappings of shared memory. */
  mappings: string[]
  /** Names of this process's tests in /dev/shm. */
  names: string[]
}

/** The prefix of the names of all objects that the tests of this process make. */
export const namePrefix = `sluice-test-${process.env['SLUICE_TEST_RUN'] ?? ''}-${String(process.pid)}-`

export function resources(): Resources {
  if (onWindows) return windowsResources()
  return {
    descriptors: openDescriptors(),
    threads: threadCount(),
    mappings: sharedMappings(),
    names: readdirSync('/dev/shm').filter((name) => name.startsWith(namePrefix)),
  }
}

// The system and the runtime keep handles of their own for workers, processes and accounts.
const runtimesHandles = 8

/**
 * Whether this process holds what it held then; on Windows, where less can be told, no more. Fewer
 * threads are fine: one that closes descriptors ends by itself when it has had nothing to do for a
 * while, and may have been there at the first count.
 */
export function sameAs(before: Resources): boolean {
  const { threads, ...now } = resources()
  const { threads: threadsThen, ...then } = before
  if (threads > threadsThen) return false
  if (!onWindows) return isDeepStrictEqual(now, then)
  const [handlesThen = 0, handles = 0] = [then, now].map(
    ({ descriptors }) => descriptors['handles'],
  )
  return handles <= handlesThen + runtimesHandles
}

/**
 * Whether this process holds no more than it held then. Less is fine: what was being closed then may
 * be gone by now.
 */
export function holdsNoMoreThan(before: Resources): boolean {
  const now = resources()
  if (onWindows) {
    const [then = 0, handles = 0] = [before, now].map(({ descriptors }) => descriptors['handles'])
    return now.threads <= before.threads && handles <= then + runtimesHandles
  }
  return (
    now.threads <= before.threads &&
    now.mappings.length <= before.mappings.length &&
    now.names.length <= before.names.length &&
    areNoMore(now.descriptors, before.descriptors)
  )
}

function areNoMore(now: Record<string, number>, before: Record<string, number>): boolean {
  return Object.entries(now).every(([kind, count]) => count <= (before[kind] ?? 0))
}

export function areNoMoreDescriptorsThan(before: Record<string, number>): boolean {
  return areNoMore(openDescriptors(), before)
}

/**
 * Resolves when this process has no more descriptors than then. Sockets are closed on a thread, for
 * which the loop waits only a moment: on a loaded machine one stays a little longer, and one of an
 * earlier test may have been there then.
 */
export async function noMoreDescriptorsThan(before: Record<string, number>): Promise<void> {
  await eventually(
    () => areNoMoreDescriptorsThan(before),
    () => `${JSON.stringify(openDescriptors())} are open, not ${JSON.stringify(before)}`,
  )
}

export function openDescriptors(): Record<string, number> {
  if (onWindows) return ownHandles()
  const counts: Record<string, number> = {}
  for (const number of readdirSync('/proc/self/fd')) {
    let target: string
    try {
      target = readlinkSync(`/proc/self/fd/${number}`)
    } catch {
      continue // the listing's own descriptor
    }
    // 'socket:[123]': sockets and pipes count by their kind.
    const kind = target.replace(/:\[\d+\]$/, '')
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

/** All but the events that the system and the C++ runtime keep for threads: ours have names. */
function ownHandles(): Record<string, number> {
  const { 'unnamed Event': _theirs, ...others } = openHandles()
  return others
}

// Names of sections go with their last handle.
function windowsResources(): Resources {
  return { descriptors: openDescriptors(), threads: threadCount(), mappings: [], names: [] }
}

export function threadCount(): number {
  if (onWindows) return processResources().threads
  return readdirSync('/proc/self/task').length
}

/** The lines of /proc/self/maps about shared memory: named objects, memfds and `others`. */
export function sharedMappings(others: readonly string[] = []): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) =>
      ['/dev/shm/', '/memfd:sluice', ...others].some((target) => line.includes(target)),
    )
    .map((line) => line.replace(/^\S+ (\S+) \S+ \S+ \S+ +/, '$1 '))
}

/**
 * Resolves when `holds` does: it is asked again after each turn of the loop and each collection of
 * garbage, until `milliseconds` are over. Then what `describe` says is the failure.
 */
export async function eventually(
  holds: () => boolean,
  describe: () => string = () => 'the condition did not come to hold',
  milliseconds = 20_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(describe())
    collectGarbage()
    await turn()
  }
}

export function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('the tests need --expose-gc')
  globalThis.gc()
}
