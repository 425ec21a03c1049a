import type { Writable } from 'node:stream'

import {
  checkBytes,
  checkInteger,
  checkStillThere,
  invalidArgument,
  ownOptions,
} from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { WaitStatus } from './native.js'
import { mayGoOn, untilNextTurn } from '../core/turn.js'
import {
  checkTimeout,
  checkWaitOptions,
  promised,
  timedOut,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet } from '../core/wait_queue.js'
import { publishAtExit } from './corked_at_exit.js'
import { Endpoint, type EndpointParts } from './endpoint.js'
import { noRecord, State, Status } from './endpoint_state.js'
import { maxMessageLength } from './layout.js'
import type { RecordWriter } from './record_writer.js'
import { createRingWriteStream, type RingWriteStreamOptions } from './write_stream.js'

const largestType = 2 ** 31 - 1

/** The options of {@link Producer.write}. */
export interface WriteOptions extends WaitOptions {
  /** The message's type, 0 (default) to 2^31 - 1, for the reader. */
  type?: number | undefined
}

/** The options of {@link Producer.writeSync}. */
export interface WriteSyncOptions {
  /** See {@link WriteOptions.type}. */
  type?: number | undefined
  /** Milliseconds until `ERR_SLUICE_TIMEOUT`; by default there is no limit. */
  timeout?: number | undefined
}

/**
 * The writing end of a ring; made by `ring.producer()`.
 *
 * Nothing is visible to the consumer before it is committed, and a committed message is not lost
 * when this process dies; between `cork` and `uncork` only when it exits, and is not killed. When the
 * ring is full and the consumer is gone, writes that wait reject with `ERR_SLUICE_PEER_DIED` or
 * `ERR_SLUICE_PEER_CLOSED`, together with those called after them before the failure could be seen; then
 * they work again when another consumer has claimed the role.
 *
 * @example
 * ```ts
 * const ring = Ring.anonymous()
 * const producer = ring.producer()
 *
 * // Copying:
 * const bytes = Buffer.from('a message')
 * if (!producer.tryWrite(bytes)) await producer.write(bytes, { timeout: 1000 })
 *
 * // Without a copy, straight into shared memory:
 * if (producer.tryReserve(16)) {
 *   producer.view.setFloat64(producer.offset, 1.5, true)
 *   producer.view.setFloat64(producer.offset + 8, 10, true)
 *   producer.commit()
 * }
 * producer.close()
 * ring.close()
 * ```
 */
export class Producer extends Endpoint {
  readonly #writer: RecordWriter
  readonly #maxLength: number
  /** Set from the first cork on. */
  #forgetAtExit: (() => void) | undefined

  /** @internal */
  constructor(parts: EndpointParts & { writer: RecordWriter }, spin: number | undefined) {
    super('producer', parts, spin)
    this.#writer = parts.writer
    this.#maxLength = maxMessageLength(parts.capacity)
  }

  /**
   * Writes a copy of `bytes` as one message; false when the ring is full.
   *
   * @throws `ERR_SLUICE_MESSAGE_TOO_LONG`, `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`,
   * `ERR_SLUICE_INVALID_STATE` during a reservation.
   */
  tryWrite(bytes: Uint8Array, type = 0): boolean {
    const length = checkBytes('bytes', bytes)
    // Queued writes go first; a direct write must not overtake them.
    return !this.#isBehind() && this.#put(bytes, length, type)
  }

  /**
   * Resolves when a copy of `bytes` is in the ring. Writes that wait keep their order; the bytes
   * must not change until then.
   *
   * @throws (rejects) as `tryWrite`; also `ERR_SLUICE_PEER_DIED`, `ERR_SLUICE_PEER_CLOSED`,
   * `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting writes, or the signal's reason.
   */
  write(bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    const length = checkBytes('bytes', bytes)
    options = ownOptions(options, ['type', ...waitOptionNames])
    checkWaitOptions(options)
    const { type = 0, signal } = options
    this.#checkMessage(length, type)
    return promised(() => {
      if (this.unseenFailure !== undefined) throw this.unseenFailure
      if (!this.hasWaiting && signal?.aborted !== true && this.#put(bytes, length, type)) {
        return mayGoOn() ? Promise.resolve() : untilNextTurn()
      }
      return this.wait(
        'the write',
        () => {
          checkStillThere(bytes, length)
          if (this.#put(bytes, length, type)) return
          this.wanted = this.#writer.needed(length)
          return notYet
        },
        options,
      )
    })
  }

  /**
   * Blocks the thread until the bytes are in the ring: for workers. A worker that is terminated
   * meanwhile ends within 100 ms.
   *
   * @throws as `write`, but without a queue; `ERR_SLUICE_INVALID_STATE` also while writes wait.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * producer.writeSync(Buffer.from('hello'), { timeout: 1000 })
   * if (producer.waitSync(64, 1000)) producer.tryWrite(Buffer.alloc(64))
   * ring.close()
   * ```
   */
  writeSync(bytes: Uint8Array, options: WriteSyncOptions = {}): void {
    const length = checkBytes('bytes', bytes)
    const { type = 0, timeout = Infinity } = ownOptions(options, ['type', 'timeout'])
    checkTimeout('options.timeout', timeout)
    this.#requireNoWaiting()
    const deadline = performance.now() + timeout
    while (!this.#put(bytes, length, type)) {
      const left = Math.max(0, deadline - performance.now())
      if (!this.#sleepSync(length, left)) throw timedOut('writeSync', timeout)
    }
  }

  /**
   * Makes room for a message of `length` bytes; false when the ring is full. Then write it at
   * `offset` of `bytes` or `view`, and `commit()`. False also while writes wait, which were first.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` where the runtime forbids it (Electron); else as `tryWrite`.
   */
  tryReserve(length: number, type = 0): boolean {
    if (this.#isBehind()) return false
    this.#requirePossible(length, type)
    return this.#writer.tryReserve(length, type)
  }

  /**
   * Publishes the reserved message, perhaps with a shorter payload than was reserved.
   *
   * @throws `ERR_SLUICE_INVALID_STATE` without a reservation, `ERR_SLUICE_INVALID_ARGUMENT` for more than
   * was reserved, `ERR_SLUICE_CLOSED`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * if (producer.tryReserve(1024)) {
   *   const length = producer.bytes.write('shorter', producer.offset)
   *   if (length > 0) producer.commit(length)
   *   else producer.abort()
   * }
   * ring.close()
   * ```
   */
  commit(length?: number): void {
    const { state } = this
    if (state[State.status] !== 0) this.requireUsable()
    const reserved = state[State.length]
    if (reserved === noRecord) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'there is no reservation to commit')
    }
    if (length === undefined) {
      length = reserved
    } else {
      checkInteger('length', length, 0, reserved)
    }
    this.#writer.commit(length)
  }

  /**
   * Gives the reservation up; without one it does nothing.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_CORRUPT`.
   */
  abort(): void {
    this.requireUsable()
    this.state[State.length] = noRecord
  }

  /**
   * From here to `uncork`, commits are published together, or when the ring is full. Corks nest: as
   * many calls of `uncork` are needed. They are published also when the producer closes and when the
   * process exits, by `process.exit` too; a process that is killed takes them with it.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_CORRUPT`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * producer.cork()
   * for (const line of ['one', 'two', 'three']) await producer.write(Buffer.from(line))
   * producer.uncork()
   * ring.close()
   * ```
   */
  cork(): void {
    this.requireUsable()
    this.#forgetAtExit ??= publishAtExit(this)
    this.#writer.cork()
  }

  /**
   * Takes one `cork` back, and with the last of them publishes; without one it does nothing.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_CORRUPT`.
   */
  uncork(): void {
    this.requireUsable()
    this.#writer.uncork()
  }

  /** @internal */
  uncorkAll(): void {
    while (this.state[State.status] === Status.usable && this.state[State.corked] > 0) this.uncork()
  }

  /**
   * Resolves when a message of `length` bytes would fit.
   *
   * @throws (rejects) as `write`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer()
   * await producer.ready(64, { timeout: 1000 })
   * if (producer.tryReserve(64)) producer.commit()
   * ring.close()
   * ```
   */
  ready(length: number, options: WaitOptions = {}): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    this.#checkMessage(length, 0)
    return this.wait(
      'ready',
      () => {
        this.requireUsable()
        this.wanted = this.#writer.needed(length)
        return this.#writer.hasRoom(this.wanted) ? undefined : notYet
      },
      options,
    )
  }

  /**
   * Blocks the thread until a message of `length` bytes would fit; false when the time
   * (milliseconds, default no limit) is up.
   *
   * @throws as `writeSync`, but `ERR_SLUICE_TIMEOUT`.
   */
  waitSync(length: number, timeout = Infinity): boolean {
    checkTimeout('timeout', timeout)
    this.#checkMessage(length, 0)
    this.requireUsable()
    this.#requireNoWaiting()
    return this.#writer.hasRoom(this.#writer.needed(length)) || this.#sleepSync(length, timeout)
  }

  /**
   * A Writable whose chunks are messages; see {@link RingWriteStreamOptions}.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * import { Readable } from 'node:stream'
   * import { pipeline } from 'node:stream/promises'
   *
   * const ring = Ring.anonymous()
   * await pipeline(Readable.from(['one', 'two']), ring.producer().createWriteStream())
   * for await (const message of ring.consumer()) console.log(message.toString())
   * ring.close()
   * ```
   */
  createWriteStream(options: RingWriteStreamOptions = {}): Writable {
    this.requireUsable()
    return createRingWriteStream(this, this.#maxLength, options)
  }

  /** Ends the stream: the consumer reads what is committed, then the end. Idempotent. */
  override close(): void {
    super.close()
  }

  /**
   * For one batch of writes whose arguments were checked: throws when none can be begun.
   *
   * @internal
   */
  static writerOf(producer: Producer): RecordWriter {
    producer.#requirePossible(0, 0)
    return producer.#writer
  }

  /** @internal */
  protected override left(): void {
    super.left()
    this.#forgetAtExit?.()
  }

  /** @internal */
  protected override isReady(): boolean {
    return this.#writer.isReady(this.wanted)
  }

  /** @internal */
  protected override peerIsGone(status: WaitStatus): void {
    this.failWaiting(this.peerError(status))
  }

  /** Whether other writes come first, or one has failed that nobody knows of yet. */
  #isBehind(): boolean {
    return this.hasWaiting || this.unseenFailure !== undefined
  }

  #checkMessage(length: number, type: number): void {
    if (!Number.isInteger(length) || length < 0) {
      throw invalidArgument('length', 'an integer, 0 or more', length)
    }
    if (!Number.isInteger(type) || type < 0 || type > largestType) {
      throw invalidArgument('type', `an integer from 0 to ${String(largestType)}`, type)
    }
    if (length > this.#maxLength) {
      throw new SluiceError(
        'ERR_SLUICE_MESSAGE_TOO_LONG',
        `a message of ${String(length)} bytes is longer than this ring takes (${String(this.#maxLength)})`,
      )
    }
  }

  #put(bytes: Uint8Array, length: number, type: number): boolean {
    this.#requirePossible(length, type)
    return this.#writer.tryWrite(bytes, type)
  }

  /** Throws when no message of this kind can be begun now. */
  #requirePossible(length: number, type: number): void {
    const { state } = this
    if (state[State.status] !== 0) this.requireUsable()
    if (
      typeof length !== 'number' ||
      !(length >= 0 && length <= this.#maxLength && Number.isInteger(length)) ||
      typeof type !== 'number' ||
      (type | 0) !== type ||
      type < 0
    ) {
      this.#checkMessage(length, type)
    }
    if (state[State.length] !== noRecord) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'a reservation is open; commit or abort it first',
      )
    }
  }

  #sleepSync(length: number, timeout: number): boolean {
    const status = this.waitSyncFor(() => this.#writer.needed(length), timeout)
    if (status === WaitStatus.peerClosed || status === WaitStatus.peerDied) {
      throw this.peerError(status)
    }
    return status === WaitStatus.ready
  }

  #requireNoWaiting(): void {
    if (this.hasWaiting) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'writes are waiting; a blocking call would overtake them',
      )
    }
  }
}
