import { inNextTurn, soon } from '../core/turn.js'
import type { Consumer } from '../ring/consumer.js'
import { Endpoint } from '../ring/endpoint.js'
import { WaitStatus } from '../ring/native.js'
import type { Sleeper } from '../ring/sleeper.js'
import { nonsense } from './control_message.js'

/** Chunks in one turn of the loop, so that a fast peer does not keep it from others. */
const chunksPerTurn = 8

/** Takes records out of the ring, and tells whoever is to have them. */
export interface RecordTaker {
  /**
   * Takes some of what is there, a bounded number of bytes. Returns whether more is wanted; undefined:
   * there was nothing.
   */
  take(): boolean | undefined
  /** Whether something was not taken yet. */
  readonly hasMore: boolean
  /** The next record waits for its descriptors. */
  readonly lacksCargo: boolean
}

/** The calls that a reader makes to its transport. */
export interface ChannelReaderEvents {
  /** Nothing comes any more, and everything was taken. */
  over(): void
  failed(error: Error): void
}

/** Has the records of a ring taken in the turns of the event loop, and finds its end. */
export class ChannelReader {
  /** The taker of the records, from the next one on. */
  taker: RecordTaker
  readonly #sleeper: Sleeper
  readonly #events: ChannelReaderEvents
  #wanted = false
  #awaitsEnd = false
  /** The peer has gone, by the control connection's word: what lies in the ring is all there will be. */
  #peerGone = false
  #over = false

  constructor(consumer: Consumer, taker: RecordTaker, events: ChannelReaderEvents) {
    this.taker = taker
    this.#sleeper = Endpoint.sleeperOf(consumer)
    this.#events = events
  }

  set ref(ref: boolean) {
    this.#sleeper.ref = ref
    // It was put to sleep with the old setting.
    if (this.#wanted || this.#awaitsEnd) this.#turnSoon()
  }

  /** @throws when the system has no thread to sleep with. */
  read(): void {
    if (this.#wanted) return
    if (!this.taker.hasMore && !this.#peerGone) {
      if (this.#sleeper.wait(0, this.#turn) === WaitStatus.nothingYet) {
        this.#wanted = true
        return
      }
    }
    this.#wanted = true
    soon(this.#turn)
  }

  pause(): void {
    this.#wanted = false
    if (!this.#awaitsEnd) this.#rest()
  }

  /** Tells of the end, if it comes before anything else. */
  awaitEnd(): void {
    this.#awaitsEnd = true
    if (!this.#wanted) this.#turnSoon()
  }

  /** Takes a record that is there already, if there is one. */
  readNow(): void {
    try {
      this.#tell()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The peer has gone: the end comes when the ring is empty. */
  peerIsGone(): void {
    this.#peerGone = true
    if (this.#wanted || this.#awaitsEnd) this.#turnSoon()
  }

  /** Descriptors have come that a record may wait for. */
  cargoCame(): void {
    if (this.#wanted) this.#turnSoon()
  }

  close(): void {
    this.#over = true
    this.#wanted = false
    this.#awaitsEnd = false
    this.#rest()
  }

  #rest(): void {
    this.#sleeper.cancel()
  }

  #turnSoon(): void {
    inNextTurn(this.#turn)
  }

  readonly #turn = (): void => {
    if (this.#over) return
    this.#sleeper.cancel()
    try {
      this.#takeTurn()
    } catch (error) {
      this.#fail(error)
    }
  }

  #takeTurn(): void {
    for (let left = chunksPerTurn; left > 0; left--) {
      if (this.#wanted && this.#tell()) continue
      const hasTold = left < chunksPerTurn
      if (this.#over) return
      if (!this.#wanted && (!this.#awaitsEnd || this.taker.hasMore)) return
      if (this.taker.lacksCargo) {
        if (this.#peerGone) throw nonsense('a record without its descriptors')
        return
      }
      if (this.#peerGone) {
        this.#conclude()
        return
      }
      const status = this.#sleeper.wait(0, this.#turn, hasTold)
      if (status === WaitStatus.nothingYet) return
      if (status !== WaitStatus.ready) {
        this.#conclude()
        return
      }
      if (!this.#wanted) return // there is something before the end
    }
    this.#turnSoon()
  }

  /** Takes what comes next. False: there is nothing. */
  #tell(): boolean {
    if (this.#over) return false
    const more = this.taker.take()
    if (more === undefined) return false
    this.#wanted = more && !this.#over
    return true
  }

  #conclude(): void {
    this.#rest()
    this.#wanted = false
    this.#awaitsEnd = false
    this.#events.over()
  }

  #fail(error: unknown): void {
    this.#rest()
    this.#events.failed(error as Error)
  }
}
