import type { Writable } from 'node:stream'

import { checkBytes, checkInteger, checkOptions, invalidArgument } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native, WaitStatus, type ProducerHandle } from './native.js'
import {
  checkTimeout,
  checkWaitOptions,
  promised,
  timedOut,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet } from '../core/wait_queue.js'
import { Endpoint, type RingAccess } from './endpoint.js'
import {
  consumerParkedWord,
  dataWord,
  headWord,
  noRecord,
  paddingType,
  producerMessagesWord,
  recordHeaderSize,
  recordSize,
  State,
  tailWord,
} from './layout.js'
import { createRingWriteStream, type RingWriteStreamOptions } from './write_stream.js'

const largestType = 2 ** 31 - 1

export interface WriteOptions extends WaitOptions {
  /** The message's type, 0 (default) to 2^31 - 1, for the reader. */
  type?: number | undefined
}

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
 * when this process dies. When the ring is full and the consumer is gone, writes that wait reject
 * with `ERR_SLUICE_PEER_DIED` or `ERR_SLUICE_PEER_CLOSED`; they work again when another consumer
 * has claimed the role.
 *
 * @example
 * ```ts
 * // Copying:
 * if (!producer.tryWrite(bytes)) await producer.write(bytes)
 *
 * // Without a copy, straight into shared memory:
 * if (producer.tryReserve(16)) {
 *   producer.view.setFloat64(producer.offset, price, true)
 *   producer.view.setFloat64(producer.offset + 8, quantity, true)
 *   producer.commit()
 * }
 * ```
 */
export class Producer extends Endpoint<ProducerHandle> {
  readonly #maxLength: number

  /** @internal */
  constructor(ring: RingAccess, spin: number | undefined) {
    super('producer', ring, spin, (state, id) => new native.ProducerHandle(ring.handle, state, id))
    this.#maxLength = ring.capacity / 2 - recordHeaderSize
  }

  /**
   * Writes a copy of `bytes` as one message; false when the ring is full.
   *
   * @throws `ERR_SLUICE_MESSAGE_TOO_LONG`, `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`.
   */
  tryWrite(bytes: Uint8Array, type = 0): boolean {
    if (!(bytes instanceof Uint8Array) || bytes.byteLength === 0) checkBytes('bytes', bytes)
    // What waits was first.
    if (this.hasWaiting) return false
    return this.#put(bytes, type)
  }

  /**
   * Resolves when a copy of `bytes` is in the ring. Writes that wait keep their order; the bytes
   * must not change until then.
   *
   * @throws (rejects) also `ERR_SLUICE_PEER_DIED`, `ERR_SLUICE_PEER_CLOSED`, `ERR_SLUICE_TIMEOUT`,
   * `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting writes, or the signal's reason.
   */
  write(bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    checkBytes('bytes', bytes)
    checkOptions(options, ['type', ...waitOptionNames])
    checkWaitOptions(options)
    const { type = 0, signal } = options
    this.#checkMessage(bytes.byteLength, type)
    return promised(() => {
      if (!this.hasWaiting && signal?.aborted !== true && this.#put(bytes, type)) {
        return Promise.resolve()
      }
      return this.wait(
        'the write',
        () => {
          if (this.#put(bytes, type)) return
          this.wanted = this.#needed(bytes.byteLength)
          return notYet
        },
        options,
      )
    })
  }

  /**
   * Blocks the thread until the bytes are in the ring: for workers. A worker that is terminated
   * meanwhile ends within 100 ms.
   */
  writeSync(bytes: Uint8Array, options: WriteSyncOptions = {}): void {
    checkBytes('bytes', bytes)
    checkOptions(options, ['type', 'timeout'])
    const { type = 0, timeout = Infinity } = options
    checkTimeout('options.timeout', timeout)
    this.#requireNoWaiting()
    const deadline = performance.now() + timeout
    while (!this.#put(bytes, type)) {
      const left = Math.max(0, deadline - performance.now())
      if (!this.#sleepSync(bytes.byteLength, left)) throw timedOut('writeSync', timeout)
    }
  }

  /**
   * Makes room for a message of `length` bytes; false when the ring is full. Then write it at
   * `offset` of `bytes` or `view`, and `commit()`. False also while writes wait, which were first.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` where the runtime forbids it (Electron); else as `tryWrite`.
   */
  tryReserve(length: number, type = 0): boolean {
    return !this.hasWaiting && this.#reserve(length, type)
  }

  /**
   * Publishes the reserved message, perhaps with a shorter payload than was reserved.
   *
   * @throws `ERR_SLUICE_INVALID_STATE` without a reservation.
   */
  commit(length?: number): void {
    const local = this.local
    if (local[State.status] !== 0) this.requireUsable()
    const reserved = local[State.length]
    if (reserved === noRecord) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'there is no reservation to commit')
    }
    if (length === undefined) {
      length = reserved
    } else {
      checkInteger('length', length, 0, reserved)
    }
    const record = local[State.record]
    const words = this.words
    const word = dataWord + ((record & this.mask) >> 2)
    words[word] = length
    words[word + 1] = local[State.type]
    local[State.position] = record + recordSize(length)
    local[State.length] = noRecord
    local[State.messages]++
    if (local[State.corked] === 0) this.#publish()
  }

  /** Gives the reservation up. */
  abort(): void {
    this.requireUsable()
    this.local[State.length] = noRecord
  }

  /** From here to `uncork`, commits are published together, or when the ring is full. */
  cork(): void {
    this.requireUsable()
    this.local[State.corked] = 1
  }

  uncork(): void {
    this.requireUsable()
    this.local[State.corked] = 0
    if (this.words.length === 0) {
      this.handle.uncork()
    } else {
      this.#publish()
    }
  }

  /** Resolves when a message of `length` bytes would fit. */
  ready(length: number, options: WaitOptions = {}): Promise<void> {
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    this.#checkMessage(length, 0)
    return this.wait(
      'ready',
      () => {
        this.requireUsable()
        this.wanted = this.#needed(length)
        return this.#hasRoom(this.wanted) ? undefined : notYet
      },
      options,
    )
  }

  /**
   * Blocks the thread until a message of `length` bytes would fit; false when the time
   * (milliseconds, default no limit) is up.
   */
  waitSync(length: number, timeout = Infinity): boolean {
    checkTimeout('timeout', timeout)
    this.#checkMessage(length, 0)
    this.requireUsable()
    this.#requireNoWaiting()
    return this.#hasRoom(this.#needed(length)) || this.#sleepSync(length, timeout)
  }

  /** A Writable whose chunks are messages; see {@link RingWriteStreamOptions}. */
  createWriteStream(options: RingWriteStreamOptions = {}): Writable {
    this.requireUsable()
    return createRingWriteStream(this, this.#maxLength, options)
  }

  /** Ends the stream: the consumer reads what is committed, then the end. Idempotent. */
  close(): void {
    this.leave(() => {
      this.handle.close()
    })
  }

  protected override isReady(): boolean {
    return this.words.length !== 0 && this.#room() >= this.wanted
  }

  protected override peerIsGone(status: WaitStatus): void {
    this.failWaiting(this.peerError(status))
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

  #put(bytes: Uint8Array, type: number): boolean {
    const length = bytes.byteLength
    if (this.words.length === 0) {
      this.requireUsable()
      this.#checkMessage(length, type)
      return this.handle.tryWrite(bytes, type)
    }
    if (!this.#reserve(length, type)) return false
    try {
      this.bytes.set(bytes, this.offset)
    } catch (cause) {
      // Its buffer was detached or shrunk since it was given.
      this.abort()
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        'bytes lost their memory before they were written',
        { cause },
      )
    }
    this.commit()
    return true
  }

  #reserve(length: number, type: number): boolean {
    const local = this.local
    if (local[State.status] !== 0) this.requireUsable()
    if (
      !(length >= 0 && length <= this.#maxLength && Number.isInteger(length)) ||
      typeof type !== 'number' ||
      (type | 0) !== type ||
      type < 0
    ) {
      this.#checkMessage(length, type)
    }
    if (local[State.length] !== noRecord) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'a reservation is open; commit or abort it first',
      )
    }
    const words = this.words
    if (words.length === 0) this.requireDirect()
    const position = local[State.position]
    const offset = position & this.mask
    const size = recordSize(length)
    const toTheEnd = this.capacity - offset
    const total = size <= toTheEnd ? size : size + toTheEnd
    if (
      this.capacity - ((position - local[State.peerPosition]) | 0) < total &&
      !this.#findRoom(total)
    ) {
      return false
    }
    if (total !== size) {
      // A record never wraps: padding fills the rest.
      const word = dataWord + (offset >> 2)
      words[word] = toTheEnd - recordHeaderSize
      words[word + 1] = paddingType
    }
    local[State.record] = position + (total - size)
    local[State.length] = length
    local[State.type] = type
    return true
  }

  #publish(): void {
    const local = this.local
    const words = this.words
    const position = local[State.position]
    if (position === local[State.published]) return
    local[State.published] = position
    words[producerMessagesWord] = local[State.messages]
    // The waker's store and load: sequentially consistent, see ring_endpoint.hpp.
    Atomics.store(words, tailWord, position)
    if (Atomics.load(words, consumerParkedWord) !== 0) this.handle.wakePeer()
  }

  /** Takes the consumer's position over and looks again. */
  #findRoom(total: number): boolean {
    const local = this.local
    const head = Atomics.load(this.words, headWord)
    const unread = (local[State.published] - head) | 0
    const used = (local[State.position] - head) | 0
    // Neither beyond what was published nor behind where the head has been.
    if (unread < 0 || used > this.capacity || (head & 7) !== 0) {
      this.failCorrupt("the consumer's position is out of range")
    }
    local[State.peerPosition] = head
    if (this.capacity - used >= total) return true
    // What is corked must leave, or the room will never come.
    this.#publish()
    return false
  }

  #hasRoom(total: number): boolean {
    if (this.words.length === 0) return this.handle.waitSync(total, 0) === WaitStatus.ready
    const used = (this.local[State.position] - this.local[State.peerPosition]) | 0
    return this.capacity - used >= total || this.#findRoom(total)
  }

  #room(): number {
    const used = (this.local[State.position] - Atomics.load(this.words, headWord)) | 0
    // Nonsense counts as room: who goes on finds the corruption.
    return used < 0 ? this.capacity : this.capacity - used
  }

  /** Bytes that must be free for a message, with the padding before it. */
  #needed(length: number): number {
    const toTheEnd = this.capacity - (this.local[State.position] & this.mask)
    const size = recordSize(length)
    return size <= toTheEnd ? size : size + toTheEnd
  }

  #sleepSync(length: number, timeout: number): boolean {
    const status = this.waitSyncFor(() => this.#needed(length), timeout)
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
