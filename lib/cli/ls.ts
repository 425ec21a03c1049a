import { SharedMemory, type RingSideView, type RingView, type SharedMemoryInfo } from '../index.js'
import { messageOf } from './failure.js'
import { formatCapacity } from './format.js'
import { notesOf } from './notes.js'
import { viewRing } from './rings.js'
import { print } from './stdout.js'
import { columns } from './table.js'
import { pause } from './waiting.js'

export interface LsOptions {
  /** Milliseconds between the two looks that a rate needs. */
  interval: number
  json?: boolean
}

const note = notesOf('ls', false)

interface SideRow {
  pid: number | null
  state: 'never' | 'alive' | 'dead' | 'closed' | 'unknown'
  messages: number
  messagesPerSecond: number
}

interface RingRow {
  name: string
  capacity: number
  used: number
  /** Null on Windows, and `mode` too. */
  uid: number | null
  mode: string | null
  /** Null elsewhere than on Windows. */
  ownerSid: string | null
  producer: SideRow
  consumer: SideRow
}

/** `sluice ls`: one line for each ring. */
export async function ls({ interval, json }: LsOptions): Promise<void> {
  const rows = await listRings(interval)
  if (json === true) {
    print(`${JSON.stringify(rows, undefined, 2)}\n`)
  } else if (rows.length === 0) {
    process.stderr.write('sluice ls: there are no rings\n')
  } else {
    print(`${table(rows)}\n`)
  }
}

/** Undefined also for what cannot be looked at, which is said: the others are listed all the same. */
function viewOrNote(name: string): RingView | undefined {
  try {
    return viewRing(name)
  } catch (error) {
    note(`${name}: ${messageOf(error)}`)
    return undefined
  }
}

async function listRings(interval: number): Promise<RingRow[]> {
  const objects = await SharedMemory.list()
  const seen = objects.flatMap((object) => {
    const before = viewOrNote(object.name)
    return before === undefined ? [] : [{ object, before }]
  })
  const started = performance.now()
  if (seen.length > 0) await pause(interval)
  return seen.flatMap(({ object, before }) => {
    const now = viewOrNote(object.name)
    const seconds = (performance.now() - started) / 1000
    return now === undefined ? [] : [rowOf(object, before, now, seconds)]
  })
}

function rowOf(
  object: SharedMemoryInfo,
  before: RingView,
  now: RingView,
  seconds: number,
): RingRow {
  return {
    name: object.name,
    capacity: now.capacity,
    used: now.used,
    uid: object.uid ?? null,
    mode: object.mode?.toString(8).padStart(3, '0') ?? null,
    ownerSid: object.ownerSid ?? null,
    producer: sideRow('producer', before, now, seconds),
    consumer: sideRow('consumer', before, now, seconds),
  }
}

function sideRow(
  side: 'producer' | 'consumer',
  before: RingView,
  now: RingView,
  seconds: number,
): SideRow {
  const { messages, pid } = now[side]
  const moved = (messages - before[side].messages) >>> 0 // the count wraps
  return {
    pid: pid ?? null,
    state: stateOf(now[side]),
    messages,
    messagesPerSecond: Math.round(moved / seconds),
  }
}

function stateOf({ state, alive }: RingSideView): SideRow['state'] {
  if (alive === true) return 'alive'
  if (state !== 'open') return state
  return alive === undefined ? 'unknown' : 'dead'
}

function table(rows: RingRow[]): string {
  return columns(
    ['NAME', 'CAPACITY', 'USED', 'FILL', 'PRODUCER', 'MSG/S', 'CONSUMER', 'MSG/S'],
    rows.map(({ name, capacity, used, producer, consumer }) => [
      name,
      formatCapacity(capacity),
      formatCapacity(used),
      `${String(Math.round((used / capacity) * 100))}%`,
      who(producer),
      String(producer.messagesPerSecond),
      who(consumer),
      String(consumer.messagesPerSecond),
    ]),
    [1, 2, 3, 5, 7],
  )
}

function who({ pid, state }: SideRow): string {
  return state === 'never' ? 'never' : `${String(pid)} ${state}`
}
