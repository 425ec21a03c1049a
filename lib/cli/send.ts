import { createHash } from 'node:crypto'

import { capabilities, type Producer, type WaitOptions } from '../index.js'
import { targetAddress } from './addresses.js'
import { sendConnected } from './connected/send.js'
import { CommandFailure, isSluiceError } from './failure.js'
import { openInput, type Input } from './files.js'
import { formatSeconds } from './format.js'
import { abortAtSignals } from './interruption.js'
import { notesOf, type Note } from './notes.js'
import { Progress, type Outcome } from './progress.js'
import { ReceiverWatch } from './receiver_watch.js'
import {
  joinAsSender,
  leave,
  namesOutlive,
  receiverComes,
  removeName,
  shown,
  type Session,
  type SessionOptions,
} from './session.js'
import { poll, unlessAborted } from './waiting.js'

export interface TransferOptions extends SessionOptions {
  /** Whether an address is listened on. */
  listen?: boolean
  hash?: boolean
  quiet?: boolean
}

export interface SendOptions extends TransferOptions {
  /** Whether the end is the receiver's having everything, or all being in the ring. */
  wait: boolean
}

const longestMessage = 2 ** 20
const drainPollMs = 5

/** `sluice send`: resolves when the receiver has taken everything. */
export async function send(target: string, file: string, options: SendOptions): Promise<void> {
  const address = targetAddress(target, options)
  const note = notesOf('send', options.quiet === true)
  const stop = new AbortController()
  abortAtSignals(stop)
  const input = await openInput(file, stop.signal)
  try {
    const { hash, summary } =
      address === undefined
        ? await sendTo(await meetReceiver(target, options, stop.signal, note), input, options, stop)
        : await sendConnected(address, input, options, stop, note)
    if (hash !== undefined) process.stderr.write(`sha256 ${hash}\n`)
    if (process.stderr.isTTY) note(`sent ${summary}`)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    // Not awaited: a read that hangs must not hold up Ctrl-C.
    input.close().catch(() => undefined)
  }
}

async function sendTo(
  session: Session<Producer>,
  input: Input,
  options: SendOptions,
  stop: AbortController,
): Promise<Outcome> {
  try {
    return await new Sender(session, options, stop).send(input)
  } catch (error) {
    giveUp(session)
    throw error
  }
}

/** The session, with a receiver in it if one is to be waited for. */
async function meetReceiver(
  name: string,
  options: SendOptions,
  signal: AbortSignal,
  note: Note,
): Promise<Session<Producer>> {
  for (;;) {
    const session = await joinAsSender(name, options, signal, note)
    try {
      if (!options.wait || (await receiverComes(session.ring, options, signal, note))) {
        return session
      }
    } catch (error) {
      giveUp(session)
      throw error
    }
    leave(session)
  }
}

function giveUp({ ring, end }: Session<Producer>): void {
  // Not close(): the receiver must not take this for the end.
  end.abandon()
  // With nobody there the ring would only be in the way of the next transfer.
  if (!ring.stats().consumer.alive) removeName(ring)
}

class Sender {
  readonly #ring
  readonly #producer: Producer
  readonly #options: SendOptions
  readonly #stop: AbortController
  readonly #watch: ReceiverWatch
  readonly #messageLength: number

  constructor(session: Session<Producer>, options: SendOptions, stop: AbortController) {
    this.#ring = session.ring
    this.#producer = session.end
    this.#options = options
    this.#stop = stop
    // Several messages fit: the two sides work at the same time.
    this.#messageLength = Math.min(longestMessage, this.#ring.capacity / 4)
    this.#watch = new ReceiverWatch(this.#ring, (failure) => {
      stop.abort(failure)
    })
  }

  async send(input: Input): Promise<Outcome> {
    const hash = this.#options.hash === true ? createHash('sha256') : undefined
    const progress = new Progress('sending', input.size, this.#options.quiet !== true)
    try {
      const { readInto } = input
      const pieces =
        readInto !== undefined && capabilities().zeroCopy
          ? this.#sendInPlace(readInto)
          : this.#sendCopies(input.stream())
      for await (const piece of pieces) {
        hash?.update(piece)
        progress.bytes += piece.byteLength
      }
      // The watch would take a receiver that leaves after the end for one that leaves too early.
      this.#watch.stop()
      this.#stop.signal.throwIfAborted()
      this.#producer.close()
      if (this.#options.wait) await this.#delivered()
      else this.#requireReachable()
    } finally {
      this.#watch.stop()
      progress.stop()
    }
    return { hash: hash?.digest('hex'), summary: progress.stop() }
  }

  /** The system reads the file straight into the ring. Yields what is about to be committed. */
  async *#sendInPlace(readInto: NonNullable<Input['readInto']>): AsyncGenerator<Buffer> {
    const producer = this.#producer
    const { signal } = this.#stop
    for (;;) {
      while (!producer.tryReserve(this.#messageLength)) {
        await this.#patiently((options) => producer.ready(this.#messageLength, options))
      }
      const { bytes, offset } = producer
      const length = await unlessAborted(readInto(bytes, offset, this.#messageLength), signal)
      if (length === 0) break
      yield bytes.subarray(offset, offset + length)
      producer.commit(length)
    }
    producer.abort()
  }

  async *#sendCopies(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of stream) {
      for (let start = 0; start < chunk.byteLength; start += this.#messageLength) {
        const piece = chunk.subarray(start, start + this.#messageLength)
        if (!this.#producer.tryWrite(piece)) {
          await this.#patiently((options) => this.#producer.write(piece, options))
        }
        yield piece
      }
    }
  }

  /** Waits for the receiver, of an earlier transfer or of this one, as long as one may come. */
  async #patiently(work: (options: WaitOptions) => Promise<void>): Promise<void> {
    const { timeout } = this.#options
    for (;;) {
      try {
        await work({ signal: this.#stop.signal, ...(timeout !== undefined && { timeout }) })
        return
      } catch (error) {
        if (isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) throw this.#tookNothing()
        const gone =
          isSluiceError(error, 'ERR_SLUICE_PEER_DIED') ||
          isSluiceError(error, 'ERR_SLUICE_PEER_CLOSED')
        if (!gone) throw error
        if (this.#watch.isGone()) throw this.#watch.failure()
        // It was the receiver of an earlier transfer that has gone; this one's is still to come.
        await poll(
          () => this.#ring.stats().consumer.alive || undefined,
          drainPollMs,
          this.#stop.signal,
        )
      }
    }
  }

  /** Waits until all is taken, and so written out: `recv` gives a message back only then. */
  async #delivered(): Promise<void> {
    const timeout = this.#options.timeout ?? Infinity
    let left = this.#ring.capacity
    let since = performance.now()
    await poll(
      () => {
        const isGone = this.#watch.isGone()
        // Looked at after the life of the receiver: what it did last counts.
        const { used } = this.#ring.stats()
        if (used === 0) return true
        if (isGone) throw this.#watch.failure()
        if (used !== left) {
          left = used
          since = performance.now()
        } else if (performance.now() - since > timeout) {
          throw this.#tookNothing()
        }
        return undefined
      },
      drainPollMs,
      this.#stop.signal,
    )
  }

  /** Nobody will find what is left in a ring without a name, or in one that goes with this process. */
  #requireReachable(): void {
    // The life first: a receiver that has taken the last and left meanwhile has everything.
    if (this.#ring.stats().consumer.alive || this.#ring.stats().used === 0) return
    if (!namesOutlive) {
      throw new CommandFailure(
        `nobody receives from ${shown(this.#ring)}, and on Windows it is gone when this process ends`,
      )
    }
    if (!this.#ring.isNamed) throw new CommandFailure(`somebody has removed ${shown(this.#ring)}`)
  }

  #tookNothing(): CommandFailure {
    return new CommandFailure(
      `nothing was taken from ${shown(this.#ring)} for ${formatSeconds(this.#options.timeout ?? 0)}`,
    )
  }
}
