import { PipeEvent } from './native.js'
import { cutShort, type Attachment, type Send, type Sends } from '../core/sends.js'
import type { PipeIo } from './pipe_io.js'
import { Outcome, systemError } from './win32_errors.js'

type Callback = (error?: Error | null) => void

// Smaller ones are put together: one call for many small writes.
const mergeUpTo = 65536
// The system copies what is written; this bounds our own copy.
const largestPiece = 1048576

/** Writes to a pipe, one operation at a time. */
export class Outgoing {
  readonly #io: PipeIo
  readonly #keepsBoundaries: boolean
  readonly #progressed: () => void
  #sends: Sends<Attachment> | undefined
  #queue: Uint8Array[] = []
  /** What is being written: a chunk of the queue, or the send whose turn it is. */
  #bytes: Uint8Array | undefined
  #send: Send<Attachment> | undefined
  #offset = 0
  #pieceLength = 0
  #callback: Callback | undefined
  /** Why the send that is being written was cancelled. */
  #cancelled: { reason: unknown } | undefined
  bytesWritten = 0

  /** `progressed` is called whenever the system has taken something. */
  constructor(io: PipeIo, keepsBoundaries: boolean, progressed: () => void) {
    this.#io = io
    this.#progressed = progressed
    this.#keepsBoundaries = keepsBoundaries
  }

  /** False when it has not begun: then it is the caller's to leave out. */
  cancel(send: Send<Attachment>, reason: unknown): boolean {
    if (this.#send !== send) return false
    if (this.#cancelled === undefined) {
      this.#cancelled = { reason }
      this.#io.cancel(PipeEvent.written) // its completion says what became of it
    }
    return true
  }

  /** Writes them all in order, then calls back, never before it returns. */
  write(
    chunks: readonly Uint8Array[],
    sends: Sends<Attachment> | undefined,
    callback: Callback,
  ): void {
    this.#sends = sends
    this.#queue = this.#merged(chunks)
    this.#callback = callback
    this.#proceed()
  }

  /** Tells the peer that there is no more: a message without bytes. */
  writeEnd(callback: Callback): void {
    // Whatever becomes of it: a peer that is gone has nothing to be told.
    const done = () => {
      callback()
    }
    const outcome = this.#io.write(new Uint8Array(0), done)
    if (outcome !== Outcome.pending) done()
  }

  /** Nothing is called back any more. */
  close(): void {
    this.#callback = undefined
    this.#queue = []
    this.#forgetCurrent()
  }

  #merged(chunks: readonly Uint8Array[]): Uint8Array[] {
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const plain = !this.#keepsBoundaries && chunks.length > 1 && total <= mergeUpTo
    if (plain && !chunks.some((chunk) => this.#sends?.isMarker(chunk)))
      return [Buffer.concat(chunks)]
    return [...chunks]
  }

  #proceed(): void {
    for (;;) {
      const bytes = this.#current()
      if (bytes === undefined) {
        // Not at once: what else is written in this turn then goes in one call.
        process.nextTick(() => {
          this.#finish(null)
        })
        return
      }
      const piece = this.#keepsBoundaries
        ? bytes
        : bytes.subarray(this.#offset, this.#offset + largestPiece)
      this.#pieceLength = piece.byteLength
      const outcome = this.#io.write(piece, this.#completed)
      if (outcome === Outcome.pending) return
      if (outcome !== Outcome.done) {
        process.nextTick(() => {
          this.#failed(outcome)
        })
        return
      }
      this.#pieceDone()
    }
  }

  /** What goes on, or is next; undefined at the end of the queue. */
  #current(): Uint8Array | undefined {
    while (this.#bytes === undefined) {
      const chunk = this.#queue.at(0)
      if (chunk === undefined) return undefined
      if (this.#sends?.isMarker(chunk)) {
        this.#send = this.#sends.next(chunk)
        this.#bytes = this.#send?.bytes
        if (this.#send === undefined) this.#queue.shift()
      } else {
        this.#queue.shift()
        // A message without bytes would be the end: an empty write says nothing.
        if (chunk.byteLength > 0) this.#bytes = chunk
      }
    }
    return this.#bytes
  }

  readonly #completed = (code: number): void => {
    if (code === Outcome.done && (this.#cancelled === undefined || this.#isLastPiece())) {
      this.#pieceDone()
      this.#proceed()
    } else {
      this.#failed(code)
    }
  }

  #isLastPiece(): boolean {
    return this.#offset + this.#pieceLength === this.#bytes?.byteLength
  }

  #pieceDone(): void {
    const isLast = this.#isLastPiece()
    this.#offset += this.#pieceLength
    this.bytesWritten += this.#pieceLength
    this.#progressed()
    if (!isLast) return
    const send = this.#send
    this.#forgetCurrent()
    if (send !== undefined) this.#sends?.sent(send)
  }

  #failed(code: number): void {
    const error =
      this.#cancelled === undefined
        ? systemError('WriteFile', code, 'cannot write to the pipe', '')
        : cutShort(this.#cancelled.reason)
    // Some of it may have gone: what follows would make no sense to the peer.
    if (this.#send !== undefined) this.#sends?.fail(this.#send, this.#cancelled?.reason ?? error)
    this.#forgetCurrent()
    this.#finish(error)
  }

  #forgetCurrent(): void {
    this.#bytes = undefined
    this.#send = undefined
    this.#offset = 0
    this.#cancelled = undefined
  }

  #finish(error: Error | null): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }
}
