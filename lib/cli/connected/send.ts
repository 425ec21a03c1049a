/** `sluice send` over a connection. */
import { createHash } from 'node:crypto'

import type { Address } from '../../index.js'
import { CommandFailure, isSluiceError } from '../failure.js'
import type { Input } from '../files.js'
import { formatSeconds } from '../format.js'
import type { Note } from '../notes.js'
import { Progress, type Outcome } from '../progress.js'
import { unlessAborted } from '../waiting.js'
import { emptyMessage, longestPiece, type Line } from './line.js'
import { meet, type ConnectedOptions } from './meet.js'

/** Resolves when the receiver has written everything: with the hash, and how it went. */
export async function sendConnected(
  address: Address,
  input: Input,
  options: ConnectedOptions,
  stop: AbortController,
  note: Note,
): Promise<Outcome> {
  const line = await meet('sender', address, options, stop.signal, note)
  try {
    return await new ConnectedSender(line, options, stop).send(input)
  } finally {
    // Without the end before it, the receiver does not take this for one.
    line.messages.close()
  }
}

class ConnectedSender {
  readonly #line: Line
  readonly #options: ConnectedOptions
  readonly #stop: AbortController
  /** Messages that were sent, and those of them that are written out. */
  #sent = 0
  #answered = 0
  #ended = false
  /** When the receiver was last seen to do something, or had nothing to do. */
  #moved = 0

  constructor(line: Line, options: ConnectedOptions, stop: AbortController) {
    this.#line = line
    this.#options = options
    this.#stop = stop
  }

  async send(input: Input): Promise<Outcome> {
    const hash = this.#options.hash === true ? createHash('sha256') : undefined
    const progress = new Progress('sending', input.size, this.#options.quiet !== true)
    const answers = this.#readAnswers()
    // Also while there is nothing to send, and what is sent then is of no use.
    answers.catch((error: unknown) => {
      this.#stop.abort(error)
    })
    try {
      for await (const piece of pieces(input, this.#stop.signal)) {
        await this.#send(piece)
        hash?.update(piece)
        progress.bytes += piece.byteLength
      }
      this.#ended = true
      await this.#send(emptyMessage)
      await answers
    } finally {
      progress.stop()
    }
    return { hash: hash?.digest('hex'), summary: progress.stop() }
  }

  async #send(message: Uint8Array): Promise<void> {
    const { signal } = this.#stop
    signal.throwIfAborted()
    if (this.#sent === this.#answered) this.#moved = performance.now()
    this.#sent += 1
    try {
      await this.#line.messages.send(message, { signal })
    } catch (error) {
      throw this.#line.explained(error)
    }
  }

  /** Resolves when all is answered, the end as well. */
  async #readAnswers(): Promise<void> {
    while (!this.#ended || this.#answered < this.#sent) {
      const answers = await this.#nextAnswers()
      if (answers === undefined) continue
      this.#answered += answers.length
      if (answers.some(({ byteLength }) => byteLength > 0) || this.#answered > this.#sent) {
        throw new CommandFailure(`the receiver of ${this.#line.shown} answers what was not asked`)
      }
      this.#moved = performance.now()
    }
  }

  /** Undefined when none has come for a while, and none was to. */
  async #nextAnswers(): Promise<Buffer[] | undefined> {
    const { timeout } = this.#options
    const { signal } = this.#stop
    const owes = this.#answered < this.#sent
    const left = owes ? this.#moved + (timeout ?? 0) - performance.now() : timeout
    const wait = { signal, ...(timeout !== undefined && { timeout: Math.max(1, left ?? 0) }) }
    try {
      const answers = await this.#line.messages.receiveMany(wait)
      if (answers === undefined) throw this.#line.gone()
      return answers
    } catch (error) {
      if (!isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) throw this.#line.explained(error)
      if (!owes) return undefined
      throw new CommandFailure(
        `nothing was taken from ${this.#line.shown} for ${formatSeconds(timeout ?? 0)}`,
      )
    }
  }
}

/** The bytes of an input in pieces of which each is a message; a piece holds until the next. */
async function* pieces(input: Input, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { readInto } = input
  if (readInto === undefined) {
    for await (const chunk of input.stream() as AsyncIterable<Buffer>) {
      for (let start = 0; start < chunk.byteLength; start += longestPiece) {
        yield chunk.subarray(start, start + longestPiece)
      }
    }
    return
  }
  const buffer = Buffer.allocUnsafe(longestPiece)
  for (;;) {
    const length = await unlessAborted(readInto(buffer, 0, longestPiece), signal)
    if (length === 0) return
    yield buffer.subarray(0, length)
  }
}
