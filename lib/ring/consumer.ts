import type { Readable } from 'node:stream'

import { checkFunction, checkInteger, checkSignal, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { WaitStatus } from './native.js'
import { mayGoOn } from '../core/turn.js'
import {
  aborted,
  checkTimeout,
  checkWaitOptions,
  promised,
  timedOut,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet } from '../core/wait_queue.js'
import { ConsumeLoop, type ConsumeOptions, type MessageHandler } from './consume_loop.js'
import { Endpoint, type EndpointParts } from './endpoint.js'
import { noRecord, State, Status } from './endpoint_state.js'
import { MessageStreams, type MessageStream } from './message_stream.js'
import { checkSpin } from './polling.js'
import type { Drained, RecordReader } from './record_reader.js'
import { createRingReadStream, type RingReadStreamOptions } from './read_stream.js'

/** The options of {@link Consumer.streams}. */
export interface StreamsOptions {
  /** Rejects with the signal's reason when it aborts; default none. */
  signal?: AbortSignal | undefined
}

/**
 * The reading end of a ring; made by `ring.consumer()`.
 *
 * A message is given back to the producer when it is released; a consumer that dies before leaves
 * it to its successor. So after a death messages come again: with `read`, `peek` and `release` at
 * most the one that was being handled, with `drain` and `consume` at most the current batch.
 * When the producer dies without closing, what it committed is delivered first, then every wait
 * rejects with `ERR_SLUICE_PEER_DIED` until another producer claims the role.
 *
 * @example
 * ```ts
 * const ring = Ring.anonymous()
 * const producer = ring.producer()
 * producer.tryWrite(Buffer.from('hello'), 7)
 * producer.close()
 *
 * const consumer = ring.consumer()
 * await consumer.consume((message, type) => {
 *   console.log(type, message.length) // a view of shared memory: copy what must outlive the call
 * })
 * consumer.close()
 * ring.close()
 * ```
 */
export class Consumer extends Endpoint {
  readonly #reader: RecordReader
  readonly #spin: number | undefined
  readonly #isMapped: boolean
  #loop: ConsumeLoop | undefined
  #draining = false
  readonly #streams = new MessageStreams(this, {
    goOn: () => {
      this.requireUsable()
      if (this.ended) this.state[State.status] = Status.usable
      else this.life.mourn()
    },
    producerPid: () => this.life.peerPid(),
  })

  /** @internal */
  constructor(parts: EndpointParts & { reader: RecordReader }, spin: number | undefined) {
    super('consumer', parts, spin)
    this.#reader = parts.reader
    this.#spin = spin
    this.#isMapped = parts.memory !== undefined
  }

  /** Whether the end of the stream has been read. */
  get ended(): boolean {
    return this.state[State.status] === Status.ended
  }

  /**
   * A copy of the next message; undefined when there is none now, or while reads wait for it.
   *
   * @throws `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`.
   */
  tryRead(): Buffer | undefined {
    return this.hasWaiting ? undefined : this.#next()
  }

  /**
   * Resolves with a copy of the next message, or undefined at the end of the stream.
   *
   * @throws (rejects) `ERR_SLUICE_PEER_DIED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_CORRUPT`,
   * `ERR_SLUICE_CLOSED`, `ERR_SLUICE_INVALID_STATE` during `consume`, `ERR_SLUICE_QUEUE_FULL` beyond
   * 1024 waiting reads, or the signal's reason.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * ring.producer().tryWrite(Buffer.from('hello'))
   * const consumer = ring.consumer()
   * const message = consumer.tryRead() ?? (await consumer.read({ timeout: 1000 }))
   * console.log(message?.toString())
   * ring.close()
   * ```
   */
  read(options: WaitOptions = {}): Promise<Buffer | undefined> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    return promised(() => {
      this.#requireNoLoop()
      if (!this.hasWaiting && options.signal?.aborted !== true && mayGoOn()) {
        const message = this.#next()
        if (message !== undefined || this.ended) return Promise.resolve(message)
      }
      return this.wait('the read', () => this.#next() ?? (this.ended ? undefined : notYet), options)
    })
  }

  /**
   * Resolves when there is a message to peek at: true; or at the end of the stream: false.
   *
   * @throws (rejects) as `read`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * ring.producer().tryWrite(Buffer.from('hello'))
   * const consumer = ring.consumer()
   * if (await consumer.ready({ timeout: 1000 })) {
   *   const length = consumer.peek()
   *   console.log(consumer.bytes.toString('utf8', consumer.offset, consumer.offset + length))
   *   consumer.release()
   * }
   * ring.close()
   * ```
   */
  ready(options: WaitOptions = {}): Promise<boolean> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    return promised(() => {
      this.#requireNoLoop()
      this.#requireNoHeld()
      return this.wait(
        'ready',
        () => {
          if (this.#hasMessage()) return true
          return this.ended ? false : notYet
        },
        options,
      )
    })
  }

  /**
   * Blocks the thread until there is a message, and returns a copy of it, or undefined at the end
   * of the stream: for workers.
   *
   * @param timeout milliseconds until `ERR_SLUICE_TIMEOUT`; by default there is no limit.
   * @throws also as `waitSync`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * ring.producer().tryWrite(Buffer.from('hello'))
   * const consumer = ring.consumer()
   * console.log(consumer.readSync(1000)?.toString())
   * console.log(consumer.waitSync(0)) // nothing more for now
   * ring.close()
   * ```
   */
  readSync(timeout = Infinity): Buffer | undefined {
    if (!this.waitSync(timeout)) throw timedOut('readSync', timeout)
    return this.tryRead()
  }

  /**
   * Blocks the thread until there is a message or the end of the stream; false when the time
   * (milliseconds, default no limit) is up. A worker that is terminated meanwhile ends within
   * 100 ms.
   *
   * @throws `ERR_SLUICE_PEER_DIED`, `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`,
   * `ERR_SLUICE_INVALID_STATE` while reads wait or `consume` runs.
   */
  waitSync(timeout = Infinity): boolean {
    checkTimeout('timeout', timeout)
    this.#requireNoLoop()
    this.#requireNoReads()
    this.#requireNoHeld()
    const deadline = performance.now() + timeout
    // Padding that comes alone ends a wait, and is no message.
    while (!this.#hasMessage() && !this.ended) {
      const status = this.waitSyncFor(() => 0, deadline - performance.now())
      if (status === WaitStatus.peerDied) throw this.peerError(status)
      if (status === WaitStatus.peerClosed) this.#reader.finish()
      if (status === WaitStatus.nothingYet) return false
    }
    return true
  }

  /**
   * Finds the next message without copying or removing it: the length of its payload, or -1 when
   * there is none now. It lies at `offset` of `bytes` and `view`; `release()` gives it back. A read
   * that waits takes the same message: use the one or the other.
   *
   * @throws `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_UNSUPPORTED` (Electron).
   */
  peek(): number {
    return this.#isOver() ? noRecord : this.#reader.peek()
  }

  /** The type of the message that was peeked or read last. */
  get type(): number {
    return this.state[State.type]
  }

  /**
   * Keeps the peeked message, so that `peek` finds the one behind it: for pipelines that work on
   * several messages at once. `release` gives back the one that was kept first. Nothing can be read,
   * drained, consumed or waited for while messages are kept; a successor gets them again.
   *
   * @throws `ERR_SLUICE_INVALID_STATE` when nothing is peeked, or in a handler;
   * `ERR_SLUICE_UNSUPPORTED` (Electron).
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * for (const text of ['one', 'two']) producer.tryWrite(Buffer.from(text))
   *
   * const consumer = ring.consumer()
   * const lengths: number[] = []
   * const offsets: number[] = []
   * for (let length = consumer.peek(); length >= 0; length = consumer.peek()) {
   *   lengths.push(length)
   *   offsets.push(consumer.offset)
   *   consumer.hold()
   * }
   * const frames = offsets.map((offset, i) => consumer.bytes.subarray(offset, offset + lengths[i]))
   * for (const frame of frames) {
   *   console.log(frame.length)
   *   consumer.release()
   * }
   * ring.close()
   * ```
   */
  hold(): void {
    this.#requirePeeked()
    this.#reader.hold()
  }

  /** Messages that `hold` has kept, and that were not released. */
  get held(): number {
    return this.#reader.held
  }

  /**
   * Removes the peeked message, or while messages are kept the one that was kept first.
   *
   * @throws `ERR_SLUICE_INVALID_STATE` when nothing is peeked or kept, or in a handler, whose message is
   * released for it.
   */
  release(): void {
    if (this.#reader.held === 0) this.#requirePeeked()
    else this.requireUsable()
    this.#reader.release()
  }

  /**
   * Removes the peeked message, and lets the producer know with the next `giveBack`: for a batch.
   *
   * @internal
   */
  skip(): void {
    this.#requirePeeked()
    this.#reader.skip()
  }

  /** @internal */
  giveBack(): void {
    if (this.state[State.status] === Status.usable) this.#reader.giveBack()
  }

  /**
   * Calls `handler(message, type)` for the messages that are there now, at most `limit` and at most
   * as many as fill the ring once, and returns how many. The messages are views of shared memory
   * that are valid during the call (copies where the runtime forbids views).
   * `structuredClone` and `postMessage` of a view copy the whole ring: give them `Buffer.from(message)`.
   *
   * They are released in batches, at the end of the call or when they fill an eighth of the ring:
   * if this process is killed in between, its successor gets the whole batch again. A message whose
   * handler throws is not released, and comes again; those before it are.
   *
   * @throws what the handler throws; `ERR_SLUICE_INVALID_ARGUMENT` when it returns a promise;
   * `ERR_SLUICE_INVALID_STATE` in a handler, during `consume`, or while reads wait;
   * `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * for (const text of ['one', 'two', 'three']) producer.tryWrite(Buffer.from(text))
   * const consumer = ring.consumer()
   * const count = consumer.drain((message) => console.log(message.toString()), 2) // leaves 'three'
   * console.log(count)
   * ring.close()
   * ```
   */
  drain(handler: MessageHandler, limit = Infinity): number {
    checkFunction('handler', handler)
    if (limit !== Infinity) checkInteger('limit', limit, 0)
    this.#requireNoLoop()
    this.#requireNoReads()
    return this.#drain(handler, limit).count
  }

  /**
   * Calls `handler(message, type)` for every message until the producer closes, from the event
   * loop, which keeps turning. Resolves with the number of messages, at the end of the stream or
   * when the handler returned `false`. Views and releases are as in `drain`.
   *
   * @throws (rejects) what the handler throws, `ERR_SLUICE_PEER_DIED`, `ERR_SLUICE_CORRUPT`,
   * `ERR_SLUICE_CLOSED`, or the signal's reason.
   */
  consume(handler: MessageHandler, options: ConsumeOptions = {}): Promise<number> {
    checkFunction('handler', handler)
    const { signal, spin, burst = 1024 } = ownOptions(options, ['signal', 'spin', 'burst'])
    checkSignal('options.signal', signal)
    if (spin !== undefined) checkSpin(spin)
    checkInteger('options.burst', burst, 1)
    if (signal?.aborted === true) return aborted(signal)
    return promised(() => {
      this.requireUsable()
      this.#requireNoLoop()
      this.#requireNoReads()
      return this.ended ? Promise.resolve(0) : this.#startLoop(handler, signal, spin, burst)
    })
  }

  /**
   * Copies of the messages until the end of the stream. Leaving the loop leaves the rest.
   *
   * @throws (rejects) as `read`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * producer.tryWrite(Buffer.from('hello'))
   * producer.close()
   * for await (const message of ring.consumer()) console.log(message.toString())
   * ring.close()
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const message = await this.read()
      if (message === undefined) return
      yield message
    }
  }

  /**
   * The streams of one producer after the other, each from its first message to its end or its
   * death. Each is given when something of it is there, or when its producer has gone again; the next
   * one when the last is over: read to its end, or its `for await` left.
   *
   * A producer that dies leaves its stream to its successor. If that one comes before the death is
   * noticed, its messages are of the same stream; otherwise the successor's is another one.
   *
   * @throws (rejects) `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`, the signal's reason;
   * `ERR_SLUICE_INVALID_STATE` while another loop over the streams runs.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * producer.tryWrite(Buffer.from('hello'))
   * producer.close()
   *
   * for await (const stream of ring.consumer().streams()) {
   *   try {
   *     for await (const message of stream) console.log(message.toString())
   *     console.log(`process ${stream.pid} has ended its stream`)
   *   } catch (error) {
   *     if (stream.outcome !== 'died') throw error
   *     console.log(`process ${stream.pid} has died in the middle of its stream`)
   *   }
   *   break // without it, the next producer is waited for
   * }
   * ring.close()
   * ```
   */
  streams(options: StreamsOptions = {}): AsyncGenerator<MessageStream, never, undefined> {
    const { signal } = ownOptions(options, ['signal'])
    checkSignal('options.signal', signal)
    return this.#streams.all(signal)
  }

  /**
   * A Readable whose chunks are messages; see {@link RingReadStreamOptions}.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * import { text } from 'node:stream/consumers'
   *
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * for (const word of ['hello ', 'world']) producer.tryWrite(Buffer.from(word))
   * producer.close()
   * console.log(await text(ring.consumer().createReadStream({ joined: true })))
   * ring.close()
   * ```
   */
  createReadStream(options: RingReadStreamOptions = {}): Readable {
    this.requireUsable()
    return createRingReadStream(this, options)
  }

  /** Gives the role up. A producer that finds no room then gets `ERR_SLUICE_PEER_CLOSED`. */
  override close(): void {
    super.close()
  }

  /** @internal */
  protected override left(): void {
    super.left()
    this.#streams.fail(
      new SluiceError(
        'ERR_SLUICE_CLOSED',
        'the consumer was closed while its streams were waited for',
      ),
    )
    this.#loop?.fail(
      new SluiceError('ERR_SLUICE_CLOSED', 'the consumer was closed while it was consuming'),
    )
  }

  /** @internal */
  protected override isReady(): boolean {
    return this.#reader.isReady()
  }

  /** @internal */
  protected override peerIsGone(status: WaitStatus): void {
    if (status === WaitStatus.peerClosed) {
      this.#reader.finish() // the waiting reads see the end now
    } else {
      this.failWaiting(this.peerError(status))
    }
  }

  /** Whether the end has been seen; throws when the consumer cannot be used. */
  #isOver(): boolean {
    if (this.state[State.status] === 0) return false
    this.requireUsable()
    return true
  }

  #hasMessage(): boolean {
    return !this.#isOver() && this.#reader.hasMessage()
  }

  #requirePeeked(): void {
    const { state } = this
    if (state[State.status] !== 0) this.requireUsable()
    if (this.#draining) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'the message of a handler is released for it',
      )
    }
    if (state[State.length] === noRecord) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'there is no peeked message to release')
    }
  }

  #requireNoHeld(): void {
    if (this.#reader.held > 0) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'messages are kept: release them first')
    }
  }

  #next(): Buffer | undefined {
    this.#requireNoHeld()
    if (this.#isOver()) return undefined
    const copy = this.#reader.peekCopy()
    if (copy !== undefined) this.release()
    return copy
  }

  #startLoop(
    handler: MessageHandler,
    signal: AbortSignal | undefined,
    spin: number | undefined,
    burst: number,
  ): Promise<number> {
    const ownSpin = spin !== undefined && this.#isMapped
    if (ownSpin) this.sleeper.spin = spin
    const loop = new ConsumeLoop(
      this.sleeper,
      (limit, wasStopped) => this.#drain(handler, limit, wasStopped),
      (status) => {
        if (status === WaitStatus.peerDied) throw this.peerError(status)
        this.#reader.finish()
      },
      burst,
    )
    this.#loop = loop
    return loop.run(signal).finally(() => {
      this.#loop = undefined
      if (ownSpin) this.sleeper.spin = this.#spin
    })
  }

  #drain(handler: MessageHandler, limit: number, wasStopped: () => boolean = never): Drained {
    if (this.#draining) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'the handler must not drain')
    }
    this.#requireNoHeld()
    if (this.#isOver()) return { count: 0, stopped: false }
    this.#draining = true
    try {
      return this.#reader.drain(handler, limit, wasStopped)
    } finally {
      this.#draining = false
    }
  }

  #requireNoReads(): void {
    if (this.hasWaiting) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'reads are waiting for messages')
    }
  }

  #requireNoLoop(): void {
    if (this.#loop !== undefined) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'consume() is running')
    }
  }
}

const never = () => false
