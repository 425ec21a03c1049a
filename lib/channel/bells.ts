/**
 * How the ends of a channel's rings wake each other: by a byte on the control connection, which the event
 * loop watches anyway. A futex wakes a thread, which wakes the loop: one hop more.
 *
 * It is sent only to a peer that has said in the ring's memory that it sleeps. The doorbell in the memory is
 * rung as well, for threads that are blocked by `readSync` and the like, and for ends that have slept for
 * long: a parking thread takes those over, and looks from time to time at what no bell tells of, such as room
 * that is enough for the producer that waits and less than what its consumer tells of.
 */
import { KeepAlive } from '../core/keep_alive.js'
import { native as memory } from '../memory/native.js'
import { NativeDoorbell, type Doorbell, type MakeDoorbell } from '../ring/doorbell.js'
import { WaitStatus, type EndpointHandle } from '../ring/native.js'
import { Connection } from '../transport/connection.js'
import type { Control } from './control.js'
import { Bell } from './control_message.js'

/** Milliseconds after which a sleeper is left to a parking thread, at least. */
const longSleepMs = 100

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
    this.#control.onBell = (bell) => {
      if (bell === Bell.records) this.#consumer?.rang()
      else this.#producer?.rang()
    }
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
  readonly #keepAlive = new KeepAlive()
  /** Called at the wake-up; undefined while nobody sleeps. */
  #wake: (() => void) | undefined
  #wanted = 0
  /** It slept already when the clock struck last. */
  #sleepsLong = false

  constructor(id: number, handle: EndpointHandle, sendBell: () => void) {
    this.#handle = handle
    this.#inMemory = new NativeDoorbell(id, handle)
    this.#sendBell = sendBell
    // A barrier at each sleep interrupts all processors, which in a virtual machine takes longer than all the
    // rest of a wake-up.
    handle.askForFences()
  }

  sleep(wanted: number, wake: () => void, ref: boolean): WaitStatus {
    const status = this.#handle.announce(wanted)
    if (status !== WaitStatus.nothingYet) return status
    this.#wake = wake
    this.#wanted = wanted
    this.#sleepsLong = false
    this.#keepAlive.set(ref)
    addSleeper(this)
    return status
  }

  awake(): void {
    if (this.#wake === undefined) return
    this.#forget()
    this.#handle.unpark()
  }

  setRef(ref: boolean): void {
    if (this.#wake !== undefined) this.#keepAlive.set(ref)
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
    const wake = this.#wake
    if (wake === undefined) return
    this.#forget()
    wake()
  }

  /** The clock has struck. Whether it still wants to be told. */
  tick(): boolean {
    if (!this.#sleepsLong) {
      this.#sleepsLong = true
      return true
    }
    let status: WaitStatus
    try {
      status = this.#inMemory.sleep(this.#wanted, this.rang, false)
    } catch {
      return true // there is no thread now; bells wake it all the same
    }
    if (status !== WaitStatus.nothingYet) this.rang()
    return false
  }

  #forget(): void {
    this.#wake = undefined
    this.#keepAlive.set(false)
    this.#inMemory.awake()
    sleepers.delete(this)
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
  for (const sleeper of [...sleepers]) if (!sleeper.tick()) sleepers.delete(sleeper)
  clock = sleepers.size === 0 ? undefined : setTimeout(strike, longSleepMs).unref()
}

/**
 * Whether the ends in this process can ring so. Not on Windows, where a write to a pipe is no single call, and
 * not where native code copies the records, which rings by itself.
 */
export function canRingByControl(): boolean {
  return process.platform !== 'win32' && memory.hasExternalBuffers()
}
