/** This user's processes, and the sockets and the memory that their descriptors lead to. */
import { basename } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'

import { isForbidden } from '../failure.js'
import { ifThere, isGone, numbersIn, readText, targetOf } from './proc.js'

/** How much is looked at. A process that opens more than its share hides no other. */
export interface Limits {
  processes: number
  descriptorsEach: number
  descriptors: number
}

const usualLimits: Limits = {
  processes: 32_768,
  descriptorsEach: 65_536,
  descriptors: 524_288,
}
const longestStatus = 4096
const longestCommandLine = 4096
const longestMaps = 2 ** 23
const longestName = 40

export interface Process {
  pid: number
  /** The inodes of its sockets. */
  sockets: readonly number[]
  /** The numbers of its descriptors that seem to be shared memory; another can take their place any time. */
  memory: readonly number[]
}

export interface Processes {
  processes: readonly Process[]
  /** How many of this user's may not be looked at: those with more rights than the user. */
  unreadable: number
  /** Whether there is more than is looked at. */
  isCutShort: boolean
}

/** All but this one. */
export async function ownProcesses(
  signal: AbortSignal,
  most: Limits = usualLimits,
): Promise<Processes> {
  const user = process.geteuid?.()
  const pids = numbersIn('/proc', most.processes)
  const processes: Process[] = []
  let unreadable = 0
  let left = most.descriptors
  let isCutShort = pids.length === most.processes
  for (const pid of pids) {
    if (pid === process.pid) continue
    signal.throwIfAborted()
    if (userOf(pid) !== user) continue
    const share = Math.min(left, most.descriptorsEach)
    const descriptors = descriptorsOf(pid, share)
    if (descriptors === 'forbidden') {
      unreadable++
      continue
    }
    isCutShort ||= descriptors.length === share
    left -= descriptors.length
    processes.push(processOf(pid, descriptors))
    await turn() // there can be many: Ctrl-C comes between two of them
  }
  return { processes, unreadable, isCutShort }
}

/** Not the owner of its folder in /proc, which is root for a process that nobody may look at. */
function userOf(pid: number): number | undefined {
  const status = ifThere(() => readText(`/proc/${String(pid)}/status`, longestStatus)) ?? ''
  const effective = /^Uid:\s+\d+\s+(\d+)\s/m.exec(status)?.[1]
  return effective === undefined ? undefined : Number(effective)
}

function descriptorsOf(pid: number, most: number): number[] | 'forbidden' {
  try {
    return numbersIn(`/proc/${String(pid)}/fd`, most)
  } catch (error) {
    if (isForbidden(error)) return 'forbidden'
    if (isGone(error)) return []
    throw error
  }
}

function processOf(pid: number, descriptors: readonly number[]): Process {
  const sockets: number[] = []
  const memory: number[] = []
  for (const descriptor of descriptors) {
    const kind = kindOf(targetOf(pid, descriptor) ?? '')
    if (kind === 'memory') memory.push(descriptor)
    else if (kind !== undefined) sockets.push(kind.inode)
  }
  return { pid, sockets, memory }
}

/** By the text of a descriptor's link, which a file of that name has as well. */
export function kindOf(target: string): 'memory' | { inode: number } | undefined {
  if (target.startsWith('/memfd:') || target.startsWith('/dev/shm/')) return 'memory'
  const inode = /^socket:\[(\d{1,15})\]$/.exec(target)?.[1]
  return inode === undefined ? undefined : { inode: Number(inode) }
}

/** Its program and script as a person knows it, without the arguments; undefined when it is gone. */
export function programOf(pid: number): string | undefined {
  return ifThere(() => {
    const line = readText(`/proc/${String(pid)}/cmdline`, longestCommandLine)
    return programIn(line) ?? readText(`/proc/${String(pid)}/comm`, longestName).trimEnd()
  })
}

/** Undefined for the empty one of a process that has ended, and of the system's own. */
export function programIn(commandLine: string): string | undefined {
  const [program = '', ...args] = commandLine.split('\0')
  if (program === '') return undefined
  // The code of `node -e` is no script.
  const first = args[0]?.startsWith('-') ? '' : (args[0] ?? '')
  const script =
    args.find((arg, index) => isScript(arg) && !loads.has(args[index - 1] ?? '')) ?? first
  return [program, script]
    .filter((path) => path !== '')
    .map((path) => shortened(basename(path)))
    .join(' ')
}

/** Options of Node whose value is loaded before the script. */
const loads = new Set(['-r', '--require', '--import', '--loader', '--experimental-loader'])

function isScript(arg: string): boolean {
  return /\.([cm]?[jt]s|py)$/.test(arg)
}

function shortened(name: string): string {
  return name.length > longestName ? `${name.slice(0, longestName - 1)}\u2026` : name
}

/** Whether it has the binary of this package loaded. */
export function usesSluice(pid: number): boolean {
  const maps = ifThere(() => readText(`/proc/${String(pid)}/maps`, longestMaps)) ?? ''
  return /\/sluice(\.\w+)?\.node( \(deleted\))?$/m.test(maps)
}
