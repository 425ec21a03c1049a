import { PipeEvent } from '../core/pipe_events.js'
import type { PipeIo } from './pipe_io.js'
import { Outcome, systemError } from './win32_errors.js'

type Callback = (error?: Error | null) => void

/** A message of `send`, which is a chunk of the stream like others. */
export interface Message {
  /** What it was cancelled with; `undefined` as long as it was not. */
  cancelled?: { reason: unknown }
  sent(): void
  failed(reason: unknown): void
}

// Smaller ones are put together: one call for many small writes.
const mergeUpTo = 65536
// The system copies what is written; this bounds our own copy.
const largestPiece = 1048576

/** Writes to a pipe, one operation at a time. */
export class Outgoing {
  readonly #io: PipeIo
  readonly #keepsBoundaries: boolean
  readonly #messages = new Map<Uint8Array, Message>()
  #queue: Uint8Array[] = []
  #offset = 0
  #pieceLength = 0
  #callback: Callback | undefined
  bytesWritten = 0

  constructor(io: PipeIo, keepsBoundaries: boolean) {
    this.#io = io
    this.#keepsBoundaries = keepsBoundaries
  }

  get messageCount(): number {
    return this.#messages.size
  }

  isMessage(chunk: Uint8Array): boolean {
    return this.#messages.has(chunk)
  }

  addMessage(chunk: Uint8Array, message: Message): void {
    this.#messages.set(chunk, message)
  }

  /** Leaves it out if it has not begun; ends it if it is being written. */
  cancelMessage(chunk: Uint8Array, reason: unknown): void {
    const message = this.#messages.get(chunk)
    if (message === undefined || message.cancelled !== undefined) return
    message.cancelled = { reason }
    if (this.#queue[0] === chunk) {
      this.#io.cancel(PipeEvent.written) // its completion says what became of it
    } else {
      message.failed(reason)
    }
  }

  failMessages(reason: unknown): void {
    for (const message of this.#messages.values()) message.failed(reason)
    this.#messages.clear()
  }

  /** Writes them all in order, then calls back, never before it returns. */
  write(chunks: readonly Uint8Array[], callback: Callback): void {
    this.#queue = this.#merged(chunks)
    this.#offset = 0
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
  }

  #merged(chunks: readonly Uint8Array[]): Uint8Array[] {
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const plain = !this.#keepsBoundaries && chunks.length > 1 && total <= mergeUpTo
    if (plain && !chunks.some((chunk) => this.#messages.has(chunk))) return [Buffer.concat(chunks)]
    return [...chunks]
  }

  #proceed(): void {
    for (;;) {
      const chunk = this.#queue.at(0)
      if (chunk === undefined) {
        // Not at once: what else is written in this turn then goes in one call.
        process.nextTick(() => {
          this.#finish(null)
        })
        return
      }
      if (this.#offset === 0 && this.#messages.get(chunk)?.cancelled !== undefined) {
        this.#messages.delete(chunk)
        this.#queue.shift()
        continue
      }
      // A message without bytes would be the end: an empty write says nothing.
      if (this.#offset === chunk.byteLength) {
        this.#chunkDone()
        continue
      }
      const piece = this.#keepsBoundaries
        ? chunk
        : chunk.subarray(this.#offset, this.#offset + largestPiece)
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

  readonly #completed = (code: number): void => {
    if (code === Outcome.done) {
      this.#pieceDone()
      this.#proceed()
    } else {
      this.#failed(code)
    }
  }

  #pieceDone(): void {
    this.#offset += this.#pieceLength
    this.bytesWritten += this.#pieceLength
    if (this.#offset === this.#queue[0]?.byteLength) this.#chunkDone()
  }

  #chunkDone(): void {
    const chunk = this.#queue.shift()
    this.#offset = 0
    if (chunk === undefined) return
    this.#messages.get(chunk)?.sent()
    this.#messages.delete(chunk)
  }

  #failed(code: number): void {
    const error = systemError('WriteFile', code, 'cannot write to the pipe', '')
    const chunk = this.#queue.at(0)
    const message = chunk === undefined ? undefined : this.#messages.get(chunk)
    // Some of it may have gone: what follows would make no sense to the peer.
    message?.failed(message.cancelled === undefined ? error : message.cancelled.reason)
    if (chunk !== undefined) this.#messages.delete(chunk)
    this.#finish(error)
  }

  #finish(error: Error | null): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }
}
