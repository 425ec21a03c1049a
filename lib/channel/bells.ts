/**
 * How the ends of a channel's rings wake each other: by a byte on the control connection, which the event
 * loop watches anyway. A futex wakes a thread, which wakes the loop: one hop more.
 *
 * It is sent only to a peer that has said in the ring's memory that it sleeps. The doorbell in the memory is
 * rung as well, for threads that are blocked by `readSync` and the like, and for ends that have slept for
 * long: a parking thread takes those over, and looks from time to time at what no bell tells of, such as room
 * that is enough for the producer that waits and less than what its consumer tells of.
 */
import { PendingWake } from '../core/pending_wake.js'
import { native as memory } from '../memory/native.js'
import { NativeDoorbell, type Doorbell, type MakeDoorbell } from '../ring/doorbell.js'
import { WaitStatus, type EndpointHandle } from '../ring/native.js'
import { Connection } from '../transport/connection.js'
import type { Control } from './control.js'
import { Bell } from './control_message.js'

/** Milliseconds after which a sleeper is left to a parking thread, at least; at most twice as many. */
const longSleepMs = 50

const bytes = {
  [Bell.records]: Buffer.from([Bell.records]),
  [Bell.room]: Buffer.from([Bell.room]),
}

/** The two bells of one side of a channel. */
export class Bells {
  readonly #control: Control
  #started = false
  #consumer: ControlDoorbell | undefined
  #producer: ControlDoorbell | undefined

  constructor(control: Control) {
    this.#control = control
  }

  /** From here on the control connection carries bells. */
  start(): void {
    this.#started = true
    this.#control.bells = {
      rang: (bell) => {
        if (bell === Bell.records) this.#consumer?.rang()
        else this.#producer?.rang()
      },
      hears: (can) => {
        this.#consumer?.hears(can)
        this.#producer?.hears(can)
      },
    }
  }

  /** Wakes both ends: a bell may not have found room among the messages that have come. */
  lookAround(): void {
    this.#consumer?.rang()
    this.#producer?.rang()
  }

  readonly forConsumer: MakeDoorbell = (id, handle) =>
    (this.#consumer = new ControlDoorbell(id, handle, () => {
      this.#ring(Bell.room)
    }))

  readonly forProducer: MakeDoorbell = (id, handle) =>
    (this.#producer = new ControlDoorbell(id, handle, () => {
      this.#ring(Bell.records)
    }))

  #ring(bell: Bell): void {
    if (this.#started) Connection.nudge(this.#control.connection, bytes[bell])
  }
}

/** The doorbell of one end of a channel's ring. */
class ControlDoorbell implements Doorbell {
  readonly #handle: EndpointHandle
  /** Wakes those that a byte does not reach, and has those parked who sleep for long. */
  readonly #inMemory: NativeDoorbell
  readonly #sendBell: () => void
  readonly #sleep = new PendingWake()
  #wanted = 0
  /** It slept already when the clock struck last. */
  #sleepsLong = false
  /** Bells reach it. */
  #hears = true
  /** The sleep before was ended by a look, which bells do not tell of: the next one begins with a full look. */
  #wasFound = false

  constructor(id: number, handle: EndpointHandle, sendBell: () => void) {
    this.#handle = handle
    this.#inMemory = new NativeDoorbell(id, handle)
    this.#sendBell = sendBell
    // A barrier at each sleep interrupts all processors, which in a virtual machine takes longer than all the
    // rest of a wake-up.
    handle.askForFences()
  }

  sleep(wanted: number, wake: () => void, ref: boolean): WaitStatus {
    const byBell = this.#hears && !this.#wasFound
    this.#wasFound = false
    const status = byBell
      ? this.#handle.announce(wanted)
      : this.#inMemory.sleep(wanted, this.#found, false)
    if (status !== WaitStatus.nothingYet) return status
    this.#sleep.begin(wake, ref)
    this.#wanted = wanted
    if (byBell) {
      this.#sleepsLong = false
      addSleeper(this)
    }
    return status
  }

  awake(): void {
    if (!this.#sleep.isPending) return
    this.#end()
    this.#handle.unpark()
  }

  setRef(ref: boolean): void {
    this.#sleep.ref = ref
  }

  sleepSync(wanted: number, milliseconds: number): WaitStatus {
    return this.#inMemory.sleepSync(wanted, milliseconds)
  }

  ring(): void {
    if (this.#handle.wakePeer()) this.#sendBell()
  }

  leave(): void {
    this.#sendBell()
  }

  /** The peer has rung; whether for anything, a look tells. */
  readonly rang = (): void => {
    if (this.#sleep.isPending) this.#end()?.()
  }

  /** Bells reach it from now on, or do not: then a thread sleeps for it. */
  hears(can: boolean): void {
    this.#hears = can
    if (!can && sleepers.has(this)) this.#park()
  }

  /** The clock has struck. */
  tick(): void {
    if (this.#sleepsLong) this.#park()
    else this.#sleepsLong = true
  }

  /** A look has found something: bells tell neither of a peer's death nor of less room than they promise. */
  readonly #found = (): void => {
    this.#wasFound = true
    this.rang()
  }

  #park(): void {
    let status: WaitStatus
    try {
      status = this.#inMemory.sleep(this.#wanted, this.#found, false)
    } catch {
      return // there is no thread now: the clock tries again
    }
    sleepers.delete(this)
    if (status !== WaitStatus.nothingYet) this.#found()
  }

  #end(): (() => void) | undefined {
    this.#inMemory.awake()
    sleepers.delete(this)
    return this.#sleep.end()
  }
}

/** Doorbells whose ends sleep and are not parked yet; one clock serves them all. */
const sleepers = new Set<ControlDoorbell>()
let clock: NodeJS.Timeout | undefined

function addSleeper(sleeper: ControlDoorbell): void {
  sleepers.add(sleeper)
  clock ??= setTimeout(strike, longSleepMs).unref()
}

function strike(): void {
  for (const sleeper of [...sleepers]) sleeper.tick()
  clock = sleepers.size === 0 ? undefined : setTimeout(strike, longSleepMs).unref()
}

/**
 * Whether the ends in this process can ring so. Not on Windows, where a write to a pipe is no single call, and
 * not where native code copies the records, which rings by itself.
 */
export function canRingByControl(): boolean {
  return process.platform !== 'win32' && memory.hasExternalBuffers()
}
