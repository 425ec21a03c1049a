import { own } from '../core/own.js'
import { SluiceError } from '../core/errors.js'
import { type WaitOptions } from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import type { ConsumeOptions, MessageHandler } from './consume_loop.js'

/** The source that a stream reads from: the consumer. */
export interface MessageSource {
  readonly ended: boolean
  ready(options?: WaitOptions): Promise<boolean>
  read(options?: WaitOptions): Promise<Buffer | undefined>
  consume(handler: MessageHandler, options?: ConsumeOptions): Promise<number>
}

/** The calls that a consumer offers to its streams alone. */
export interface MessageStreamControl {
  /** After a stream that is over: from here on another one is waited for. */
  goOn(): void
  producerPid(): number | undefined
}

/** The streams of a consumer, one after the other. */
export class MessageStreams {
  readonly #source: MessageSource
  readonly #control: MessageStreamControl
  #current: MessageStream | undefined
  #isRunning = false

  constructor(source: MessageSource, control: MessageStreamControl) {
    this.#source = source
    this.#control = control
  }

  async *all(signal: AbortSignal | undefined): AsyncGenerator<MessageStream, never, undefined> {
    if (this.#isRunning) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'another loop over the streams runs')
    }
    this.#isRunning = true
    try {
      if (this.#source.ended) this.#control.goOn()
      for (;;) {
        await this.#source.ready({ signal }).catch(throwUnlessDeath) // which may be all that there is
        this.#current = new MessageStream(this.#source, this.#control.producerPid())
        yield this.#current
        await this.#current.over(signal)
        this.#control.goOn()
      }
    } finally {
      this.#current = undefined
      this.#isRunning = false
    }
  }

  /** Ends the wait for a stream to be over. */
  fail(reason: SluiceError): void {
    this.#current?.fail(reason)
  }
}

function throwUnlessDeath(error: unknown): void {
  if (!(error instanceof SluiceError) || error.code !== 'ERR_SLUICE_PEER_DIED') throw error
}

/**
 * The messages of one producer, from its first to its end or its death; given by
 * `consumer.streams()`.
 *
 * @example
 * ```ts
 * const ring = Ring.anonymous()
 * const producer = ring.producer()
 * for (const text of ['a heading', 'one', 'two']) producer.tryWrite(Buffer.from(text))
 * producer.close()
 *
 * for await (const stream of ring.consumer().streams()) {
 *   const heading = await stream.read({ timeout: 1000 })
 *   for await (const message of stream) console.log(heading?.toString(), message.toString())
 *   console.log(stream.outcome)
 *   break // without it, the next producer is waited for
 * }
 * ring.close()
 * ```
 */
export class MessageStream {
  /** The id of the process that writes it, as it said itself. */
  readonly pid: number | undefined
  readonly #source: MessageSource
  readonly #waiting = new WaitQueue(() => undefined)
  #outcome: 'open' | 'ended' | 'died' = 'open'
  #death: SluiceError | undefined
  #left = false

  /** @internal */
  constructor(source: MessageSource, pid: number | undefined) {
    this.#source = source
    this.pid = pid
  }

  /**
   * `'ended'` when the producer has closed and all was read, `'died'` when it is gone without having
   * closed and all that it had committed was read, else `'open'`.
   */
  get outcome(): 'open' | 'ended' | 'died' {
    return this.#outcome
  }

  /**
   * Resolves with a copy of the next message, or undefined at the end of this stream.
   *
   * @throws (rejects) `ERR_SLUICE_PEER_DIED` when its producer has died; else as `consumer.read`.
   */
  read(options: WaitOptions = {}): Promise<Buffer | undefined> {
    if (this.#death !== undefined) return Promise.reject(this.#death)
    if (this.#outcome === 'ended') return Promise.resolve(undefined)
    return this.#follow(this.#source.read(options))
  }

  /**
   * Calls `handler(message, type)` for every message of this stream; see `consumer.consume`.
   *
   * @throws (rejects) `ERR_SLUICE_PEER_DIED` when its producer has died; else as `consumer.consume`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * producer.tryWrite(Buffer.from('hello'))
   * producer.close()
   *
   * for await (const stream of ring.consumer().streams()) {
   *   const count = await stream.consume((message) => console.log(message.length))
   *   console.log(stream.pid, count)
   *   break // without it, the next producer is waited for
   * }
   * ring.close()
   * ```
   */
  consume(handler: MessageHandler, options: ConsumeOptions = {}): Promise<number> {
    if (this.#death !== undefined) return Promise.reject(this.#death)
    if (this.#outcome === 'ended') return Promise.resolve(0)
    return this.#follow(this.#source.consume(handler, options))
  }

  /**
   * Copies of the messages. A loop that is left early goes on to the next stream; the rest is lost.
   *
   * @throws (rejects) as `read`.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const message = await this.read()
        if (message === undefined) return
        yield message
      }
    } finally {
      this.#left = true
      this.#waiting.service()
    }
  }

  /** @internal Resolves when nothing of this stream is left in the ring and nobody wants it. */
  async over(signal: AbortSignal | undefined): Promise<void> {
    const isDone = () => this.#outcome !== 'open' || this.#left
    const done = this.#waiting.add('', () => (isDone() ? undefined : notYet), own({ signal }))
    this.#waiting.service()
    await done
    try {
      await this.consume(() => undefined, { signal })
    } catch (error) {
      if (this.#death === undefined) throw error
    }
  }

  /** @internal */
  fail(reason: SluiceError): void {
    this.#waiting.fail(reason)
  }

  async #follow<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'ERR_SLUICE_PEER_DIED') {
        this.#death = error
        this.#outcome = 'died'
      }
      throw error
    } finally {
      if (this.#outcome === 'open' && this.#source.ended) this.#outcome = 'ended'
      this.#waiting.service()
    }
  }
}
