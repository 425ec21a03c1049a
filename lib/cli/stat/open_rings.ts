/** The rings that this user's processes have open: those of channels, others without a name, named ones. */
import { statSync } from 'node:fs'

import { headerSize } from '../../ring/layout.js'
import { viewHeader, type HeaderSideView, type HeaderView } from '../../ring/header_view.js'
import { sideStateOf, type SideState } from '../rings.js'
import { withMemory, type MemoryObject } from './memory_objects.js'
import { memoryMountsOf } from './mounts.js'
import { ifThere, readText, targetOf } from './proc.js'
import type { Process } from './processes.js'
import { holdsRole, parseRoleLocks, type Role, type RoleLocks } from './role_locks.js'

const nameDirectory = '/dev/shm'
const longestInfo = 2 ** 16
const longestLocks = 2 ** 24

/** One end, at one look. */
export interface RingSide {
  /** The process that has the role, by the system's word; otherwise the last, as it said itself. */
  pid: number | undefined
  /** Whether the system says that it is this process. */
  isCertain: boolean
  state: SideState
  /** Modulo 2^32, like the positions. */
  messages: number
  /** Bytes that it sleeps for; 0: it is awake, or not there. */
  sleepsFor: number
}

export interface OpenRing {
  dev: bigint
  ino: bigint
  /** With its slash; undefined for memory without a name, and for names of another container. */
  name: string | undefined
  capacity: number
  used: number
  tail: number
  producer: RingSide
  consumer: RingSide
}

interface Found {
  object: Pick<MemoryObject, 'dev' | 'ino'>
  name: string | undefined
  header: HeaderView
  holders: Partial<Record<Role, number>>
}

export function openRings(
  processes: readonly Process[],
  nameless: string | undefined,
): readonly OpenRing[] {
  // By the object; undefined for one that is no ring.
  const found = new Map<string, Found | undefined>()
  const names = ifThere(() => statSync(nameDirectory, { bigint: true }).dev)
  for (const { pid, memory } of processes) {
    const isMemory = memoryMountsOf(pid, nameless)
    for (const descriptor of memory) {
      addRing(found, { pid, descriptor }, isMemory, names)
    }
  }
  const rings = [...found.values()].filter((ring) => ring !== undefined)
  if (rings.length === 0) return []
  // Where not all processes may be looked at, this still tells that somebody has a role.
  const locks = ifThere(() => parseRoleLocks(readText('/proc/locks', longestLocks)))
  return rings.map((ring) => openRing(ring, locks))
}

interface Place {
  pid: number
  descriptor: number
}

/** `names`: the device of the names that this process can open. */
function addRing(
  found: Map<string, Found | undefined>,
  { pid, descriptor }: Place,
  isMemory: (mount: string) => boolean,
  names: bigint | undefined,
): void {
  const folder = `/proc/${String(pid)}`
  withMemory(`${folder}/fd/${String(descriptor)}`, isMemory, (object) => {
    const key = `${String(object.dev)}:${String(object.ino)}`
    if (!found.has(key)) {
      const target = object.dev === names ? targetOf(pid, descriptor) : undefined
      found.set(key, lookAt(object, nameIn(target ?? '')))
    }
    const ring = found.get(key)
    if (ring === undefined) return
    const path = `${folder}/fdinfo/${String(descriptor)}`
    const locks = parseRoleLocks(ifThere(() => readText(path, longestInfo)) ?? '')
    if (holdsRole(locks, object, 'producer')) ring.holders.producer = pid
    if (holdsRole(locks, object, 'consumer')) ring.holders.consumer = pid
  })
}

function lookAt(object: MemoryObject, name: string | undefined): Found | undefined {
  const bytes = object.read(headerSize)
  const header = bytes && viewHeader(bytes, object.size)
  if (header === undefined) return undefined
  return { object: { dev: object.dev, ino: object.ino }, name, header, holders: {} }
}

/** Undefined also for a name that was removed: it leads nowhere, or to another ring. */
export function nameIn(target: string): string | undefined {
  const isName = target.startsWith(`${nameDirectory}/`) && !target.endsWith(' (deleted)')
  return isName ? target.slice(nameDirectory.length) : undefined
}

function openRing(
  { object, name, header, holders }: Found,
  locks: RoleLocks | undefined,
): OpenRing {
  const side = (role: Role, its: HeaderSideView): RingSide => {
    const holder = holders[role]
    const alive = holder !== undefined || (locks && holdsRole(locks, object, role))
    const { state, pid, messages, parked } = its
    return {
      pid: holder ?? pid,
      isCertain: holder !== undefined,
      state: sideStateOf({ state, alive }),
      messages,
      sleepsFor: alive === true ? parked : 0,
    }
  }
  return {
    ...object,
    name,
    capacity: header.capacity,
    used: header.used,
    tail: header.tail,
    producer: side('producer', header.producer),
    consumer: side('consumer', header.consumer),
  }
}
