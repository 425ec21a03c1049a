import type { Readable } from 'node:stream'

import { checkFunction, checkInteger, checkOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native, WaitStatus, type ConsumerHandle } from './native.js'
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
import { ConsumeLoop } from './consume_loop.js'
import { Endpoint, type RingAccess } from './endpoint.js'
import {
  consumerMessagesWord,
  dataWord,
  headerSize,
  headWord,
  noRecord,
  paddingType,
  producerParkedWord,
  recordHeaderSize,
  recordSize,
  State,
  Status,
  tailWord,
} from './layout.js'
import { checkSpin } from './polling.js'
import { RecordView } from './record_view.js'
import { createRingReadStream, type RingReadStreamOptions } from './read_stream.js'

/** Called with each message; `false` stops after it. It must not be async. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most handlers return nothing
export type MessageHandler = (message: Buffer, type: number) => void | boolean

export interface ConsumeOptions {
  /** Rejects with the signal's reason when it aborts. */
  signal?: AbortSignal | undefined
  /**
   * Microseconds to go on looking for messages before sleeping. 0: never look. By default up to
   * 50, and only while messages have been coming that fast.
   */
  spin?: number | undefined
  /** Messages after which timers and I/O have their turn; default 1024, and after 1 ms anyway. */
  burst?: number | undefined
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
 * await consumer.consume((message, type) => {
 *   console.log(type, message.length) // a view of shared memory: copy what must outlive the call
 * })
 * ```
 */
export class Consumer extends Endpoint<ConsumerHandle> {
  readonly #maxLength: number
  readonly #spin: number | undefined
  #loop: ConsumeLoop | undefined
  #draining = false
  #copy: Buffer | undefined // the peeked message where no view of it can be had

  /** @internal */
  constructor(ring: RingAccess, spin: number | undefined) {
    super('consumer', ring, spin, (state, id) => new native.ConsumerHandle(ring.handle, state, id))
    this.#maxLength = ring.capacity / 2 - recordHeaderSize
    this.#spin = spin
  }

  /** Whether the end of the stream has been read. */
  get ended(): boolean {
    return this.local[State.status] === Status.ended
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
   */
  read(options: WaitOptions = {}): Promise<Buffer | undefined> {
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    return promised(() => {
      this.#requireNoLoop()
      if (!this.hasWaiting && options.signal?.aborted !== true) {
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
   */
  ready(options: WaitOptions = {}): Promise<boolean> {
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    return promised(() => {
      this.#requireNoLoop()
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
    const deadline = performance.now() + timeout
    // Padding that comes alone ends a wait, and is no message.
    while (!this.#hasMessage() && !this.ended) {
      const status = this.waitSyncFor(() => 0, deadline - performance.now())
      if (status === WaitStatus.peerDied) throw this.peerError(status)
      if (status === WaitStatus.peerClosed) this.handle.finish()
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
    const local = this.local
    const peeked = local[State.length]
    if (local[State.status] !== 0) {
      this.requireUsable()
      return noRecord
    }
    if (peeked !== noRecord) return peeked
    const words = this.words
    if (words.length === 0) this.requireDirect()
    for (;;) {
      const position = local[State.position]
      if (position === local[State.peerPosition] && !this.#findRecord()) return noRecord
      const offset = position & this.mask
      const word = dataWord + (offset >> 2)
      // Loaded once, then checked: a hostile producer may change it at any time.
      const length = words[word]
      const type = words[word + 1]
      const stored = (local[State.peerPosition] - position) | 0
      const size = recordSize(length)
      if (length < 0 || length > this.capacity - recordHeaderSize || size > stored) {
        this.failCorrupt('a record reaches beyond what was published')
      }
      if (type >= 0) {
        if (length > this.#maxLength || offset + size > this.capacity) {
          this.failCorrupt("a record's header makes no sense")
        }
        local[State.record] = position
        local[State.length] = length
        local[State.type] = type
        return length
      }
      if (type !== paddingType || offset === 0 || offset + size !== this.capacity) {
        this.failCorrupt('padding does not reach to the end of the data')
      }
      local[State.position] = position + size
      // Padding that came alone must not wait for a record that is not there yet.
      if (local[State.position] === local[State.peerPosition]) this.#publish()
    }
  }

  /** The type of the message that was peeked or read last. */
  get type(): number {
    return this.local[State.type]
  }

  /**
   * Removes the peeked message.
   *
   * @throws `ERR_SLUICE_INVALID_STATE` when nothing is peeked, or in a handler, whose message is
   * released for it.
   */
  release(): void {
    const local = this.local
    if (local[State.status] !== 0) this.requireUsable()
    if (this.#draining) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'the message of a handler is released for it',
      )
    }
    this.#release()
  }

  /**
   * Calls `handler(message, type)` for the messages that are there now, at most `limit`, and
   * returns how many. The messages are views of shared memory that are valid during the call
   * (copies where the runtime forbids views).
   *
   * They are released in batches, at the end of the call or when they fill an eighth of the ring:
   * if this process is killed in between, its successor gets the whole batch again. A message whose
   * handler throws is not released, and comes again; those before it are.
   *
   * @throws what the handler throws; `ERR_SLUICE_INVALID_ARGUMENT` when it returns a promise;
   * `ERR_SLUICE_INVALID_STATE` in a handler, during `consume`, or while reads wait;
   * `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`.
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
    checkOptions(options, ['signal', 'spin', 'burst'])
    checkWaitOptions({ signal: options.signal })
    const { signal, spin, burst = 1024 } = options
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

  /** Copies of the messages until the end of the stream. Leaving the loop leaves the rest. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const message = await this.read()
      if (message === undefined) return
      yield message
    }
  }

  /** A Readable whose chunks are messages; see {@link RingReadStreamOptions}. */
  createReadStream(options: RingReadStreamOptions = {}): Readable {
    this.requireUsable()
    return createRingReadStream(this, options)
  }

  /** Gives the role up. A producer that finds no room then gets `ERR_SLUICE_PEER_CLOSED`. */
  close(): void {
    this.leave(() => {
      this.handle.close()
    })
  }

  protected override leave(how: () => void): void {
    super.leave(how)
    this.#loop?.fail(
      new SluiceError('ERR_SLUICE_CLOSED', 'the consumer was closed while it was consuming'),
    )
  }

  protected override isReady(): boolean {
    return (
      this.words.length !== 0 && Atomics.load(this.words, tailWord) !== this.local[State.position]
    )
  }

  protected override peerIsGone(status: WaitStatus): void {
    if (status === WaitStatus.peerClosed) {
      this.handle.finish() // the waiting reads see the end now
    } else {
      this.failWaiting(this.peerError(status))
    }
  }

  #startLoop(
    handler: MessageHandler,
    signal: AbortSignal | undefined,
    spin: number | undefined,
    burst: number,
  ): Promise<number> {
    const ownSpin = spin !== undefined && this.words.length !== 0
    if (ownSpin) this.sleeper.spin = spin
    const loop = new ConsumeLoop(
      this.sleeper,
      (limit, wasStopped) => this.#drain(handler, limit, wasStopped),
      (status) => {
        if (status === WaitStatus.peerDied) throw this.peerError(status)
        this.handle.finish()
      },
      burst,
    )
    this.#loop = loop
    return loop.run(signal).finally(() => {
      this.#loop = undefined
      if (ownSpin) this.sleeper.spin = this.#spin
    })
  }

  #release(): void {
    const local = this.local
    if (local[State.length] === noRecord) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'there is no peeked message to release')
    }
    if (this.words.length === 0) {
      this.#copy = undefined
      this.handle.release()
      return
    }
    this.#advance()
    this.#publish()
  }

  #hasMessage(): boolean {
    if (this.words.length !== 0) return this.peek() !== noRecord
    this.requireUsable()
    return !this.ended && this.#peekCopy() !== undefined
  }

  #next(): Buffer | undefined {
    const copy = this.#take()
    if (copy !== undefined) this.release()
    return copy
  }

  /** A copy of the next message, which stays peeked. */
  #take(): Buffer | undefined {
    if (this.words.length === 0) {
      this.requireUsable()
      return this.ended ? undefined : this.#peekCopy()
    }
    const length = this.peek()
    if (length === noRecord) return undefined
    const copy = Buffer.allocUnsafe(length)
    copy.set(this.#viewOf(length))
    return copy
  }

  #peekCopy(): Buffer | undefined {
    return (this.#copy ??= this.handle.peekCopy())
  }

  #viewOf(length: number): Buffer {
    return new RecordView(this.memory, headerSize + this.offset, length) as unknown as Buffer
  }

  #drain(
    handler: MessageHandler,
    limit: number,
    wasStopped: () => boolean = never,
  ): { count: number; stopped: boolean } {
    if (this.#draining) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'the handler must not drain')
    }
    if (this.words.length === 0) return this.#drainCopies(handler, limit, wasStopped)
    const local = this.local
    const batch = this.capacity >> 3
    let count = 0
    this.#draining = true
    try {
      while (count < limit) {
        const length = this.peek()
        if (length === noRecord) break
        const more = handler(this.#viewOf(length), local[State.type])
        if (more !== undefined) refuseAsync(more)
        count++
        if (local[State.status] !== 0) break // closed by the handler
        this.#advance()
        if (((local[State.position] - local[State.published]) | 0) >= batch) this.#publish()
        if (more === false) return { count, stopped: true }
        if (wasStopped()) break
      }
    } finally {
      this.#draining = false
      if (local[State.status] === 0) this.#publish()
    }
    return { count, stopped: false }
  }

  #drainCopies(
    handler: MessageHandler,
    limit: number,
    wasStopped: () => boolean,
  ): { count: number; stopped: boolean } {
    let count = 0
    this.#draining = true
    try {
      while (count < limit) {
        const message = this.#take()
        if (message === undefined) break
        const more = handler(message, this.type)
        if (more !== undefined) refuseAsync(more)
        count++
        if (this.local[State.status] !== 0) break
        this.#release()
        if (more === false) return { count, stopped: true }
        if (wasStopped()) break
      }
    } finally {
      this.#draining = false
    }
    return { count, stopped: false }
  }

  #advance(): void {
    const local = this.local
    local[State.position] = local[State.record] + recordSize(local[State.length])
    local[State.length] = noRecord
    local[State.messages]++
  }

  #publish(): void {
    const local = this.local
    const words = this.words
    const position = local[State.position]
    if (position === local[State.published]) return
    local[State.published] = position
    words[consumerMessagesWord] = local[State.messages]
    // The waker's store and load: sequentially consistent, see ring_endpoint.hpp.
    Atomics.store(words, headWord, position)
    const wanted = Atomics.load(words, producerParkedWord)
    if (wanted === 0) return
    // An old copy of the tail makes the room look larger: the wake-up comes early, never late.
    const room = this.capacity - ((local[State.peerPosition] - position) | 0)
    if (room >= wanted >>> 0) this.handle.wakePeer()
  }

  /** Takes the producer's position over; false when there is nothing new. */
  #findRecord(): boolean {
    const local = this.local
    const tail = Atomics.load(this.words, tailWord)
    const unreleased = (tail - local[State.published]) | 0
    const unread = (tail - local[State.position]) | 0
    if (unreleased < 0 || unreleased > this.capacity || unread < 0 || (tail & 7) !== 0) {
      this.failCorrupt("the producer's position is out of range")
    }
    local[State.peerPosition] = tail
    return unread !== 0
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

/** A handler's message is gone when it returns: a promise would work on what is overwritten. */
function refuseAsync(returned: unknown): void {
  if (!(returned instanceof Promise)) return
  returned.catch(() => undefined)
  throw new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    'handler must not be async: its message is valid only until it returns; use read()',
  )
}
