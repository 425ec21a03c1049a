import { SluiceError } from '../core/errors.js'
import { PipeEvent } from './native.js'
import type { PipeIo } from './pipe_io.js'
import { isPeerGone, Outcome, systemError } from './win32_errors.js'

export interface PipeReaderEvents {
  /** A chunk of the stream, or a whole message. */
  chunk(data: Buffer): void
  /** The peer will send no more. */
  end(): void
  failed(error: Error): void
}

const smallestRead = 4096
const largestRead = 65536
// So that a peer whose bytes are always there does not keep the loop from the others.
const readsPerTurn = 8

/** Reads from a pipe, one operation at a time, when it is asked to. */
export class PipeReader {
  readonly #io: PipeIo
  readonly #events: PipeReaderEvents
  readonly #messageType: boolean
  readonly #keepsBoundaries: boolean
  readonly #maxMessageLength: number
  /** The parts that were read of a message that is longer than the buffer. */
  #parts: Buffer[] = []
  #partsLength = 0
  #length = smallestRead
  #reading = false
  /** A read was asked for while one that is cancelled has not come back yet. */
  #readAgain = false
  #cancelled = false
  #ended = false
  #looping = false
  /** Another read was asked for in the middle of the loop, or before the next turn. */
  #wantsNext = false
  #later: NodeJS.Immediate | undefined
  bytesRead = 0

  constructor(
    io: PipeIo,
    kind: { messageType: boolean; keepsBoundaries: boolean; maxMessageLength: number },
    events: PipeReaderEvents,
  ) {
    this.#io = io
    this.#events = events
    this.#messageType = kind.messageType
    this.#keepsBoundaries = kind.keepsBoundaries
    this.#maxMessageLength = kind.maxMessageLength
  }

  /**
   * Reads one chunk or message, which is told to `events`; perhaps before this returns. Reads that the
   * system answers at once follow each other in a loop, so many of them to a turn of the event loop.
   */
  read(): void {
    if (this.#ended) return
    if (this.#reading) {
      this.#readAgain = this.#cancelled
      return
    }
    if (this.#looping || this.#later !== undefined) {
      this.#wantsNext = true
      return
    }
    this.#looping = true
    try {
      for (let reads = 1; ; reads++) {
        this.#wantsNext = false
        this.#reading = true
        const outcome = this.#io.read(this.#length, this.#completed)
        if (outcome === Outcome.pending) return
        this.#completed(outcome)
        if (!this.#nextIsWanted()) return
        if (reads === readsPerTurn) {
          this.#goOnLater()
          return
        }
      }
    } finally {
      this.#looping = false
    }
  }

  /** A function, because the chunk's listeners may have asked for the next. */
  #nextIsWanted(): boolean {
    return this.#wantsNext && !this.#ended
  }

  #goOnLater(): void {
    this.#later = setImmediate(() => {
      this.#later = undefined
      if (this.#wantsNext) this.read()
    })
  }

  /** Nothing is read any more, unless it has been read already. */
  cancel(): void {
    this.#wantsNext = false
    if (!this.#reading) return
    this.#cancelled = true
    this.#readAgain = false
    this.#io.cancel(PipeEvent.read)
  }

  /** There will be no more to read, for this side has closed. */
  finish(): void {
    this.#ended = true
    clearImmediate(this.#later)
    this.#later = undefined
    this.#parts = []
  }

  readonly #completed = (code: number): void => {
    this.#reading = false
    this.#cancelled = false
    const again = this.#readAgain
    this.#readAgain = false
    if (code === Outcome.done || code === Outcome.moreData) {
      this.#took(this.#io.handle.take(), code === Outcome.done)
    } else if (isPeerGone(code)) {
      this.#atEnd()
    } else if (code !== Outcome.aborted) {
      this.#events.failed(systemError('ReadFile', code, 'cannot read from the pipe', ''))
    } else if (again) {
      this.read() // of a message of which some has come already, the rest
    }
  }

  #took(data: Buffer, complete: boolean): void {
    this.bytesRead += data.length
    if (data.length === this.#length) this.#length = Math.min(this.#length * 2, largestRead)
    if (this.#keepsBoundaries) {
      this.#parts.push(data)
      this.#partsLength += data.length
      if (this.#partsLength > this.#maxMessageLength) {
        this.#events.failed(
          new SluiceError(
            'ERR_SLUICE_MESSAGE_TOO_LONG',
            `a message is longer than maxMessageLength, ${String(this.#maxMessageLength)} bytes`,
          ),
        )
        return
      }
      if (!complete) {
        this.read()
        return
      }
      if (this.#parts.length > 1) data = Buffer.concat(this.#parts)
      this.#parts = []
      this.#partsLength = 0
    }
    if (data.length > 0) {
      this.#events.chunk(data)
    } else if (this.#messageType) {
      this.#atEnd()
    } else {
      this.read() // an empty write to a pipe of bytes means nothing
    }
  }

  #atEnd(): void {
    this.finish()
    this.#events.end()
  }
}
