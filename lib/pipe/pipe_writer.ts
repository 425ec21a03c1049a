import { lostMemory } from '../core/arguments.js'
import type { Outbox } from '../transport/outbox.js'
import { messageFrame } from './handle_frame.js'
import type { HandleCargo } from './handle_passing.js'
import { PipeEvent } from './native.js'
import type { PipeIo } from './pipe_io.js'
import { Outcome, systemError } from './win32_errors.js'

// Smaller ones are put together: one call for many small writes.
const mergeUpTo = 65536
// The system copies what is written; this bounds our own copy.
const largestPiece = 1048576

export interface PipeWriterOptions {
  keepsBoundaries: boolean
  /** Every message is in a frame, with which handles can travel. */
  framed: boolean
  /** The connection is lost. */
  failed: (error: Error) => void
}

/** A frame of our own between the messages. */
interface Answer {
  readonly bytes: Uint8Array
  readonly sent: () => void
}

/** Writes to a pipe, one operation at a time. */
export class PipeWriter {
  readonly #io: PipeIo
  readonly #options: PipeWriterOptions
  #outbox: Outbox | undefined
  readonly #answers: Answer[] = []
  /** The bytes that are being written, of the outbox or of an answer. */
  #bytes: Uint8Array | undefined
  #answer: Answer | undefined
  /** As it was in the beginning: their memory may go while the system has a piece of them. */
  #length = 0
  #offset = 0
  #pieceLength = 0
  /** The system has an operation of ours. */
  #pending = false
  #ending: (() => void) | undefined
  #open = true
  bytesWritten = 0

  constructor(io: PipeIo, options: PipeWriterOptions) {
    this.#io = io
    this.#options = options
  }

  write(outbox: Outbox): void {
    this.#outbox = outbox
    this.#proceed()
  }

  /** Between the messages; `sent` when the system has it. */
  answer(bytes: Uint8Array, sent: () => void): void {
    this.#answers.push({ bytes, sent })
    this.#proceed()
  }

  /** Tells the peer that there is no more: a message without bytes. */
  writeEnd(done: () => void): void {
    this.#ending = done
    this.#proceed()
  }

  /** False: nothing of the outbox is under way. */
  interrupt(): boolean {
    if (!this.#pending || this.#bytes === undefined || this.#answer !== undefined) return false
    this.#io.cancel(PipeEvent.written) // its completion says what became of it
    return true
  }

  /** Nothing is called back any more. */
  close(): void {
    this.#open = false
    this.#bytes = undefined
    this.#answer = undefined
    this.#answers.length = 0
    this.#ending = undefined
  }

  #proceed(): void {
    while (this.#open && !this.#pending && this.#begin()) {
      if (this.#bytes?.byteLength !== this.#length) {
        this.#options.failed(lostMemory())
        return
      }
      const piece = this.#piece()
      this.#pieceLength = piece.byteLength
      const outcome = this.#io.write(piece, this.#completed)
      this.#pending = outcome !== Outcome.done
      if (outcome === Outcome.pending) return
      if (outcome === Outcome.done) {
        this.#pieceDone()
      } else {
        process.nextTick(() => {
          if (this.#open) this.#completed(outcome)
        })
      }
    }
  }

  /** Whether there is something to write: what is under way, an answer, the outbox, the end. */
  #begin(): boolean {
    if (this.#bytes !== undefined) return true
    this.#offset = 0
    this.#answer = this.#answers.shift()
    this.#bytes = this.#answer?.bytes ?? this.#next()
    if (this.#bytes !== undefined) {
      this.#length = this.#bytes.byteLength
      return true
    }
    this.#writeEnd()
    return false
  }

  #next(): Uint8Array | undefined {
    const outbox = this.#outbox
    const { framed, keepsBoundaries } = this.#options
    while (outbox?.next() === true) {
      const { first } = outbox
      const cargo = outbox.cargo as HandleCargo | undefined
      if (first.byteLength === 0 && cargo === undefined) {
        outbox.wrote(0) // a message without bytes would be the end: an empty write says nothing
      } else if (framed) {
        return messageFrame(cargo?.id ?? 0, cargo?.handles ?? [], first)
      } else {
        return keepsBoundaries ? first : merged(outbox)
      }
    }
    return undefined
  }

  #piece(): Uint8Array {
    const bytes = this.#bytes ?? new Uint8Array(0)
    if (this.#options.keepsBoundaries) return bytes
    return bytes.subarray(this.#offset, this.#offset + largestPiece)
  }

  readonly #completed = (code: number): void => {
    this.#pending = false
    if (code === Outcome.done) {
      this.#pieceDone()
      // Cancelled while the system had a part of it, and there is more.
      if (this.#outbox?.interrupted() !== true) this.#proceed()
    } else if (this.#outbox?.interrupted() !== true) {
      // Some of it may have gone: the rest would make no sense to the peer.
      this.#options.failed(systemError('WriteFile', code, 'cannot write to the pipe', ''))
    }
  }

  #pieceDone(): void {
    const answer = this.#answer
    this.#offset += this.#pieceLength
    this.bytesWritten += this.#pieceLength
    const isWhole = this.#offset === this.#bytes?.byteLength
    if (isWhole) {
      this.#bytes = undefined
      this.#answer = undefined
    }
    if (answer !== undefined) answer.sent()
    else if (this.#options.framed) this.#outbox?.wroteFirst()
    else this.#outbox?.wrote(this.#pieceLength)
  }

  #writeEnd(): void {
    const done = this.#ending
    if (done === undefined) return
    this.#ending = undefined
    // Whatever becomes of it: a peer that is gone has nothing to be told.
    const outcome = this.#io.write(new Uint8Array(0), () => {
      done()
    })
    if (outcome !== Outcome.pending) done()
  }
}

/** Joins as many chunks of a stream as go in one call. */
function merged({ chunks, index, end, offset }: Outbox): Uint8Array {
  const first = chunks[index].subarray(offset)
  let total = first.byteLength
  let next = index + 1
  while (next < end && total + chunks[next].byteLength <= mergeUpTo) {
    total += chunks[next].byteLength
    next++
  }
  return next === index + 1
    ? first
    : Buffer.concat([first, ...chunks.slice(index + 1, next)], total)
}
