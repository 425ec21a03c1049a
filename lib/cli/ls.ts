import {
  SharedMemory,
  type RingView,
  type SharedMemoryInfo,
  type UnfinishedRing,
} from '../index.js'
import { messageOf } from './failure.js'
import { formatCapacity } from './format.js'
import { notesOf } from './notes.js'
import { perSecond, sideStateOf, unfinished, viewRing, type SideState } from './rings.js'
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
  state: SideState
  messages: number
  messagesPerSecond: number
}

interface RingRow {
  name: string
  /** All numbers of one that is not made yet are 0. */
  state: 'made' | UnfinishedRing
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
  const seen = objects.map((object) => ({ object, before: viewOrNote(object.name) }))
  const started = performance.now()
  if (seen.some(({ before }) => before !== undefined)) await pause(interval)
  return seen.flatMap(({ object, before }) => {
    const now = before && viewOrNote(object.name)
    const seconds = (performance.now() - started) / 1000
    if (before !== undefined && now !== undefined) return [rowOf(object, before, now, seconds)]
    const state = unfinished(object.name)
    return state === undefined ? [] : [rowOfUnfinished(object, state)]
  })
}

function rowOfUnfinished(object: SharedMemoryInfo, state: UnfinishedRing): RingRow {
  const nobody: SideRow = { pid: null, state: 'never', messages: 0, messagesPerSecond: 0 }
  return {
    ...ownerOf(object),
    state,
    capacity: 0,
    used: 0,
    producer: nobody,
    consumer: nobody,
  }
}

function ownerOf({ name, uid, mode, ownerSid }: SharedMemoryInfo) {
  return {
    name,
    uid: uid ?? null,
    mode: mode?.toString(8).padStart(3, '0') ?? null,
    ownerSid: ownerSid ?? null,
  }
}

function rowOf(
  object: SharedMemoryInfo,
  before: RingView,
  now: RingView,
  seconds: number,
): RingRow {
  return {
    ...ownerOf(object),
    state: 'made',
    capacity: now.capacity,
    used: now.used,
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
  return {
    pid: pid ?? null,
    state: sideStateOf(now[side]),
    messages,
    messagesPerSecond: perSecond(before[side].messages, messages, seconds),
  }
}

function table(rows: RingRow[]): string {
  return columns(
    ['NAME', 'CAPACITY', 'USED', 'FILL', 'PRODUCER', 'MSG/S', 'CONSUMER', 'MSG/S'],
    rows.map((row) =>
      row.state === 'made' ? cellsOf(row) : [row.name, ...cellsOfUnfinished[row.state]],
    ),
    [1, 2, 3, 5, 7],
  )
}

const cellsOfUnfinished = {
  'being-made': ['-', '-', '-', 'being made', '-', '-', '-'],
  'half-made': ['-', '-', '-', 'half-made, creator dead', '-', '-', '-'],
}

function cellsOf({ name, capacity, used, producer, consumer }: RingRow): string[] {
  return [
    name,
    formatCapacity(capacity),
    formatCapacity(used),
    `${String(Math.round((used / capacity) * 100))}%`,
    who(producer),
    String(producer.messagesPerSecond),
    who(consumer),
    String(consumer.messagesPerSecond),
  ]
}

function who({ pid, state }: SideRow): string {
  return state === 'never' ? 'never' : `${String(pid)} ${state}`
}
