/** A look with the rates since the one before, as `--json` prints it. */
import { perSecond, type SideState } from '../rings.js'
import type { Look } from './look.js'
import type { OpenRing, RingSide } from './open_rings.js'
import { programOf } from './processes.js'

export interface ProcessReport {
  pid: number
  /** Null when it is gone. */
  program: string | null
}

export interface ServerReport {
  /** Null when nobody knows, and the counts too. */
  address: string | null
  inode: number
  processes: ProcessReport[]
  connections: number | null
  /** Clients that wait for `accept`. */
  waiting: number | null
}

export interface SideReport {
  pid: number | null
  /** Null also for a process that is known by its own word alone. */
  program: string | null
  state: SideState
  messages: number
  /** Null for a ring that was not there at the look before. */
  messagesPerSecond: number | null
  /** Whether it sleeps until the other side does something. */
  waits: boolean
}

export interface RingReport {
  /** Null for memory without a name, which is known by its inode. */
  name: string | null
  inode: number
  capacity: number
  used: number
  /** Written, with headers and padding. */
  bytesPerSecond: number | null
  producer: SideReport
  consumer: SideReport
}

export interface Report {
  /** When, in ISO 8601. */
  time: string
  /** Over which the rates are. */
  seconds: number
  servers: ServerReport[]
  rings: RingReport[]
  /** How many of the user's processes may not be looked at. */
  unreadable: number
  /** Whether all others were. */
  complete: boolean
}

export function reportOf(before: Look, now: Look): Report {
  const seconds = (now.at - before.at) / 1000
  const earlier = new Map(before.rings.map((ring) => [keyOf(ring), ring]))
  const programs = new Map<number, string | null>()
  const program = (pid: number) => {
    const known = programs.get(pid) ?? programOf(pid) ?? null
    programs.set(pid, known)
    return known
  }
  return {
    time: new Date().toISOString(),
    seconds,
    servers: now.servers.map(({ inode, address = null, pids, connections, waiting }) => ({
      address,
      inode,
      processes: pids.map((pid) => ({ pid, program: program(pid) })),
      connections: connections ?? null,
      waiting: waiting ?? null,
    })),
    rings: [...now.rings]
      .sort(byPlace)
      .map((ring) => ringReport(ring, earlier.get(keyOf(ring)), seconds, program)),
    unreadable: now.unreadable,
    complete: !now.isCutShort,
  }
}

function keyOf({ dev, ino }: OpenRing): string {
  return `${String(dev)}:${String(ino)}`
}

/** Sorts rings: those with a name first; then those between the same two processes together, as a channel's are. */
function byPlace(one: OpenRing, other: OpenRing): number {
  if (one.name !== undefined && other.name !== undefined) return one.name < other.name ? -1 : 1
  if (one.name !== other.name) return one.name === undefined ? 1 : -1
  const [low, high] = pidsOf(one)
  const [otherLow, otherHigh] = pidsOf(other)
  return low - otherLow || high - otherHigh || Number(one.ino - other.ino)
}

/** In their order; 0 for an end that nobody has had. */
function pidsOf({ producer, consumer }: OpenRing): [number, number] {
  const [one, other] = [producer.pid ?? 0, consumer.pid ?? 0]
  return [Math.min(one, other), Math.max(one, other)]
}

function ringReport(
  ring: OpenRing,
  before: OpenRing | undefined,
  seconds: number,
  program: (pid: number) => string | null,
): RingReport {
  const rate = (past: number | undefined, count: number) =>
    past === undefined ? null : perSecond(past, count, seconds)
  const side = (its: RingSide, past: RingSide | undefined): SideReport => ({
    pid: its.pid ?? null,
    program: its.isCertain && its.pid !== undefined ? program(its.pid) : null,
    state: its.state,
    messages: its.messages,
    messagesPerSecond: rate(past?.messages, its.messages),
    waits: its.sleepsFor > 0,
  })
  return {
    name: ring.name ?? null,
    inode: Number(ring.ino),
    capacity: ring.capacity,
    used: ring.used,
    bytesPerSecond: rate(before?.tail, ring.tail),
    producer: side(ring.producer, before?.producer),
    consumer: side(ring.consumer, before?.consumer),
  }
}
