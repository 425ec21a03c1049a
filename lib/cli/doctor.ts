import { readFile, statfs } from 'node:fs/promises'
import { availableParallelism, cpus, release, type } from 'node:os'

import { capabilities } from '../index.js'
import { CommandFailure, messageOf } from './failure.js'
import { formatBytes } from './format.js'
import { selfTest, type SelfTestResult } from './self_test.js'
import { print } from './stdout.js'
import { columns } from './table.js'

export interface DoctorOptions {
  json?: boolean
}

interface MachineFacts {
  kernel: string
  processor: string
  processors: number
  sharedMemoryBytes: number | null
  sharedMemoryFree: number | null
  openFiles: number | null
  lockedMemoryBytes: number | null
}

type Outcome = ({ ok: true } & SelfTestResult) | { ok: false; error: string }

/** `sluice doctor`: what this machine supports, and whether a ring works on it. */
export async function doctor({ json }: DoctorOptions): Promise<void> {
  const machine = await machineFacts()
  const outcome = await tryRing()
  const able = capabilities()
  if (json === true) {
    const report = { capabilities: able, machine, selfTest: outcome }
    print(`${JSON.stringify(report, undefined, 2)}\n`)
  } else {
    const { platform, arch, runtime, ...features } = able
    const rows = [
      ['runtime', `${runtime}, ${platform}-${arch}`],
      ['kernel', machine.kernel],
      ['processor', `${String(machine.processors)} x ${machine.processor}`],
      ...(process.platform === 'win32' ? [] : limits(machine)),
      ...Object.entries(features).map(([name, has]) => [name, has ? 'yes' : 'no']),
      ['self-test', outcomeText(outcome)],
    ]
    print(`${columns(['WHAT', 'HERE'], rows)}\n`)
  }
  if (!outcome.ok) throw new CommandFailure('rings do not work here')
}

async function tryRing(): Promise<Outcome> {
  try {
    return { ok: true, ...(await selfTest()) }
  } catch (error) {
    return { ok: false, error: messageOf(error) }
  }
}

async function machineFacts(): Promise<MachineFacts> {
  const onLinux = process.platform === 'linux'
  const room = onLinux ? await statfs('/dev/shm').catch(() => null) : null
  const limits = onLinux ? await readFile('/proc/self/limits', 'utf8').catch(() => '') : ''
  return {
    kernel: `${type()} ${release()}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    sharedMemoryBytes: room && room.blocks * room.bsize,
    sharedMemoryFree: room && room.bavail * room.bsize,
    openFiles: softLimit(limits, 'Max open files'),
    lockedMemoryBytes: softLimit(limits, 'Max locked memory'),
  }
}

/** Infinity when there is no limit; null when nobody says. */
function softLimit(limits: string, name: string): number | null {
  const value = new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(limits)?.[1]
  if (value === undefined) return null
  return value === 'unlimited' ? Infinity : Number(value)
}

/** The limits that bound rings; Windows has none of them. */
function limits(machine: MachineFacts): string[][] {
  return [
    ['/dev/shm', sharedMemoryText(machine)],
    ['open files (ulimit -n)', limitText(machine.openFiles, String)],
    ['locked memory (ulimit -l)', limitText(machine.lockedMemoryBytes, formatBytes)],
  ]
}

function sharedMemoryText({ sharedMemoryBytes, sharedMemoryFree }: MachineFacts): string {
  if (sharedMemoryBytes === null || sharedMemoryFree === null) return 'unknown'
  return `${formatBytes(sharedMemoryFree)} free of ${formatBytes(sharedMemoryBytes)}`
}

function limitText(limit: number | null, format: (limit: number) => string): string {
  if (limit === null) return 'unknown'
  return limit === Infinity ? 'unlimited' : format(limit)
}

function outcomeText(outcome: Outcome): string {
  if (!outcome.ok) return `FAILED: ${outcome.error}`
  const { messages, milliseconds } = outcome
  return `ok: ${String(messages)} messages to a child process and back in ${milliseconds.toFixed(0)} ms`
}
