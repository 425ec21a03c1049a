/** How the two sides of a transfer over a connection meet: one listens, and the other tries until it does. */
import {
  allow,
  connect,
  formatAddress,
  isSystemError,
  listen,
  type Address,
  type Connection,
  type WaitOptions,
} from '../../index.js'
import { CommandFailure, exitCodes, isSluiceError } from '../failure.js'
import type { Note } from '../notes.js'
import { deadlineOf } from '../session.js'
import { pause, unlessAborted } from '../waiting.js'
import { commandOf, Line, nobodyCame, opposite, type Role } from './line.js'

const againMs = 50

export interface MeetOptions {
  /** Whether this side is the one that listens. */
  listen?: boolean
  /** Bytes of each ring of a channel. */
  capacity?: number
  /** Permissions of the path that is listened on. */
  mode?: number
  /** Milliseconds to wait for the other side to come, and then for it to do something. */
  timeout?: number
}

/** The options of a transfer over a connection. */
export interface ConnectedOptions extends MeetOptions {
  hash?: boolean
  quiet?: boolean
}

/** Options that are of rings alone, or of some addresses. */
export function requireFitting(
  address: Address,
  options: MeetOptions & { owner?: unknown; wait?: boolean },
): void {
  if (options.owner !== undefined) throw wrong('--owner is for rings')
  if (options.wait === false) throw wrong('--no-wait is for rings: a connection keeps nothing')
  if (options.capacity !== undefined && address.transport !== 'shm') {
    throw wrong('--capacity is for rings and shm:')
  }
  const hasMode = options.listen === true && 'path' in address
  if (options.mode !== undefined && !hasMode) {
    throw wrong('--mode is for rings, and with --listen for paths')
  }
}

function wrong(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.usage)
}

/** Resolves when the other side is there. The caller closes what it gets. */
export async function meet(
  role: Role,
  address: Address,
  options: MeetOptions,
  signal: AbortSignal,
  note: Note,
): Promise<Line> {
  const deadline = deadlineOf(options)
  const left = () => Math.max(0, deadline - performance.now())
  const waitForIt = (): WaitOptions => ({
    signal,
    ...(options.timeout !== undefined && { timeout: left() }),
  })
  try {
    const { connection, shown } =
      options.listen === true
        ? await accepted(role, address, options, waitForIt, note)
        : await connected(role, address, options, waitForIt, note)
    const line = new Line(role, connection, shown)
    try {
      await line.greet(options.timeout === undefined ? undefined : left(), signal)
      return line
    } catch (error) {
      line.messages.close()
      throw error
    }
  } catch (error) {
    if (!isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) throw error
    throw nobodyCame(role, formatAddress(address), options.timeout)
  }
}

interface Met {
  connection: Connection
  shown: string
}

async function accepted(
  role: Role,
  address: Address,
  options: MeetOptions,
  waitForIt: () => WaitOptions,
  note: Note,
): Promise<Met> {
  const server = await serverOf(address, options)
  try {
    noteWaiting(role, `${commandOf[opposite[role]]} ${server.address}`, note)
    return { connection: await server.accept(waitForIt()), shown: server.address }
  } finally {
    server.close()
  }
}

interface Listening {
  readonly address: string
  accept(options: WaitOptions): Promise<Connection>
  close(): void
}

function serverOf(address: Address, options: MeetOptions): Promise<Listening> {
  const text = formatAddress(address)
  const { capacity, mode } = options
  if (address.transport === 'shm') {
    return listen(`shm:${address.name}`, { ...(capacity !== undefined && { capacity }) })
  }
  if (address.transport !== 'unix') return listen(text)
  return listen(`unix:${text.slice('unix:'.length)}`, {
    ...(mode !== undefined && { mode }),
    // An abstract name has no permissions.
    ...('abstractName' in address && { authorize: allow({ sameUser: true }) }),
  })
}

async function connected(
  role: Role,
  address: Address,
  options: MeetOptions,
  waitForIt: () => WaitOptions,
  note: Note,
): Promise<Met> {
  const shown = formatAddress(address)
  let told = false
  for (;;) {
    const wait = waitForIt()
    try {
      return { connection: await connectOnce(address, options.capacity, wait), shown }
    } catch (error) {
      // That nobody listens yet: everything else would be the same the next time.
      if (!isSystemError(error, 'ENOENT', 'ECONNREFUSED')) throw error
    }
    if (!told) noteWaiting(role, `${commandOf[opposite[role]]} --listen ${shown}`, note)
    told = true
    if (wait.timeout === 0) throw nobodyCame(role, shown, options.timeout)
    const step = pause(Math.min(againMs, wait.timeout ?? againMs))
    await (wait.signal === undefined ? step : unlessAborted(step, wait.signal))
  }
}

function connectOnce(
  address: Address,
  capacity: number | undefined,
  wait: WaitOptions,
): Promise<Connection> {
  if (address.transport !== 'shm') return connect(formatAddress(address), wait)
  return connect(`shm:${address.name}`, { ...wait, ...(capacity !== undefined && { capacity }) })
}

function noteWaiting(role: Role, command: string, note: Note): void {
  note(`waiting for a ${opposite[role]} ("sluice ${command}")`)
}
