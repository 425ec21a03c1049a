/**
 * Records into the ring: the protocol of ring_producer.hpp, with its functions in its order.
 *
 * A record becomes visible by its own `commit` word, which is 0 until then: before it is stored, 0
 * is stored where the next record will begin. Records that are published together become visible by
 * the `commit` of the first (or of the padding before it), which is stored last.
 */
import { lostMemory } from '../core/arguments.js'
import { WaitStatus, type ProducerHandle } from './native.js'
import type { Doorbell } from './doorbell.js'
import { failCorrupt, needsViews, noRecord, State } from './endpoint_state.js'
import {
  committed,
  consumerParkedWord,
  dataWord,
  headerSize,
  headWord,
  paddingType,
  producerMessagesWord,
  recordHeaderSize,
  recordSize,
  tailWord,
} from './layout.js'
import { GrowingPauses } from './polite_looks.js'
import { look, publish, sleepsFor } from './publish.js'

/** Behind the last record there is room for a `commit` word that says that nothing follows. */
const zeroAhead = 8

/** Every argument has been checked, and the endpoint is usable. */
export interface RecordWriter {
  /** Bytes that have to be free for a payload of this length, with the padding before it. */
  needed(length: number): number
  /** Makes room for a payload; false when the ring is full. */
  tryReserve(length: number, type: number): boolean
  /** Completes the reserved record, and publishes it unless the writer is corked. */
  commit(length: number): void
  /** Reserves, copies and commits; false when the ring is full. */
  tryWrite(bytes: Uint8Array, type: number): boolean
  /** From here to as many calls of `uncork`, commits are published together. */
  cork(): void
  uncork(): void
  /** Whether so many bytes are free; if not, what is corked is published. */
  hasRoom(total: number): boolean
  /** A look for a wait, which asks for an eighth of the ring, so as not to look for every record. */
  isReady(wanted: number): boolean
}

/** Straight into the mapped memory. */
export class MappedWriter implements RecordWriter {
  readonly #state: Int32Array
  readonly #words: Int32Array
  readonly #data: Uint8Array
  readonly #capacity: number
  readonly #mask: number
  readonly #doorbell: Doorbell
  readonly #pauses = new GrowingPauses()

  constructor(memory: ArrayBuffer, capacity: number, state: Int32Array, doorbell: Doorbell) {
    this.#state = state
    this.#words = new Int32Array(memory)
    this.#data = new Uint8Array(memory, headerSize, capacity)
    this.#capacity = capacity
    this.#mask = capacity - 1
    this.#doorbell = doorbell
  }

  needed(length: number): number {
    return needed(length, this.#state[State.position], this.#capacity)
  }

  tryReserve(length: number, type: number): boolean {
    const state = this.#state
    const needed = this.needed(length)
    if (!this.hasRoom(needed)) return false
    // A record never wraps: padding fills the rest.
    state[State.record] = state[State.position] + needed - zeroAhead - recordSize(length)
    state[State.length] = length
    state[State.type] = type
    return true
  }

  commit(length: number): void {
    const state = this.#state
    const words = this.#words
    const mask = this.#mask
    const position = state[State.position]
    const record = state[State.record]
    const next = record + recordSize(length)
    // The bytes there may be of an earlier lap, and must not be taken for a record.
    words[dataWord + ((next & mask) >> 2)] = 0
    const word = dataWord + ((record & mask) >> 2)
    words[word + 1] = state[State.type]
    let first = word
    let commit = committed | length
    if (record !== position) {
      words[word] = commit
      first = dataWord + ((position & mask) >> 2)
      words[first + 1] = paddingType
      commit = committed | (record - position - recordHeaderSize)
    }
    if (position === state[State.published]) {
      state[State.heldBack] = commit // by which all that is corked will be published
    } else {
      words[first] = commit
    }
    state[State.position] = next
    state[State.length] = noRecord
    state[State.messages]++
    if (state[State.corked] === 0) this.#publish()
  }

  tryWrite(bytes: Uint8Array, type: number): boolean {
    if (!this.tryReserve(bytes.byteLength, type)) return false
    const state = this.#state
    const length = state[State.length]
    try {
      this.#data.set(bytes, (state[State.record] & this.#mask) + recordHeaderSize)
    } catch (cause) {
      // Its buffer was detached or shrunk since it was given.
      state[State.length] = noRecord
      throw lostMemory(cause)
    }
    if (bytes.byteLength !== length) this.#refuseGrown(bytes.byteLength)
    this.commit(state[State.length])
    return true
  }

  /** A thread can grow shared memory at any time. To ask before each copy costs a third of the write. */
  #refuseGrown(length: number): never {
    const state = this.#state
    state[State.length] = noRecord
    const used = state[State.record] + recordHeaderSize - state[State.peerPosition]
    if (length > this.#capacity - used) {
      failCorrupt(
        state,
        'producer',
        'bytes that grew were copied over messages that nobody has read',
      )
    }
    throw lostMemory()
  }

  cork(): void {
    this.#state[State.corked]++
  }

  uncork(): void {
    const state = this.#state
    if (state[State.corked] === 0) return
    if (--state[State.corked] === 0) this.#publish()
  }

  #publish(): void {
    const state = this.#state
    const words = this.#words
    const published = state[State.published]
    const position = state[State.position]
    if (position === published) return
    const word = dataWord + ((published & this.#mask) >> 2)
    const fenced = state[State.fenced] !== 0
    if (fenced) Atomics.store(words, word, state[State.heldBack])
    else publish(words, word, state[State.heldBack])
    state[State.published] = position
    // A note for others, on a line that the consumer does not read. Behind the publication it is
    // harmless; ahead of it a successor would begin where the consumer never looks.
    publish(words, tailWord, position)
    words[producerMessagesWord] = state[State.messages]
    if (look(words, consumerParkedWord) === 0) return
    if (sleepsFor(words, consumerParkedWord, fenced) !== 0) this.#doorbell.ring()
  }

  hasRoom(total: number): boolean {
    const state = this.#state
    const used = (state[State.position] - state[State.peerPosition]) | 0
    return this.#capacity - used >= total || this.#findRoom(total)
  }

  isReady(wanted: number): boolean {
    const used = (this.#state[State.position] - Atomics.load(this.#words, headWord)) | 0
    // Nonsense counts as room: who goes on finds the corruption.
    if (used < 0 || used > this.#capacity - zeroAhead) return true
    if (this.#capacity - used >= Math.max(wanted, this.#capacity >> 3)) return true
    this.#pauses.pause()
    return false
  }

  /** Takes the consumer's position over; when that is not enough, looks once more a little later. */
  #findRoom(total: number): boolean {
    if (this.#takeHead() >= total) {
      this.#pauses.reset()
      return true
    }
    // Publish corked records: until the consumer has them, no room will come.
    this.#publish()
    this.#pauses.pause()
    return this.#takeHead() >= total
  }

  /** The bytes that are free. */
  #takeHead(): number {
    const state = this.#state
    const head = Atomics.load(this.#words, headWord)
    const used = (state[State.position] - head) >>> 0
    const unread = (state[State.published] - head) >>> 0
    // Neither beyond what was published nor behind where the head has been.
    if (Math.max(used, unread) > this.#capacity - zeroAhead || (head & 7) !== 0) {
      failCorrupt(state, 'producer', "the consumer's position is out of range")
    }
    state[State.peerPosition] = head
    return this.#capacity - used
  }
}

/** By copies in native code, where the runtime forbids ArrayBuffers over foreign memory. */
export class CopiedWriter implements RecordWriter {
  readonly #handle: ProducerHandle
  readonly #capacity: number
  readonly #state: Int32Array

  constructor(handle: ProducerHandle, capacity: number, state: Int32Array) {
    this.#handle = handle
    this.#capacity = capacity
    this.#state = state
  }

  needed(length: number): number {
    return needed(length, this.#state[State.position], this.#capacity)
  }

  tryReserve(): boolean {
    throw needsViews()
  }

  commit(): void {
    throw needsViews()
  }

  tryWrite(bytes: Uint8Array, type: number): boolean {
    return this.#handle.tryWrite(bytes, type)
  }

  cork(): void {
    this.#state[State.corked]++
  }

  uncork(): void {
    this.#handle.uncork()
  }

  hasRoom(total: number): boolean {
    return this.#handle.waitSync(total, 0) === WaitStatus.ready
  }

  /** Without a mapping JavaScript cannot poll, so never spin. */
  isReady(): boolean {
    return false
  }
}

function needed(length: number, position: number, capacity: number): number {
  const size = recordSize(length)
  const toTheEnd = capacity - (position & (capacity - 1))
  return (size <= toTheEnd ? size : toTheEnd + size) + zeroAhead
}
