/**
 * Records out of the ring: the protocol of ring_consumer.hpp, with its functions in its order.
 *
 * The next record is there when its `commit` word is not 0. The word is loaded once and then
 * checked: a hostile producer may change it at any time.
 */
import { SluiceError } from '../core/errors.js'
import type { ConsumerHandle } from './native.js'
import type { Doorbell } from './doorbell.js'
import { failCorrupt, needsViews, noRecord, State, Status } from './endpoint_state.js'
import {
  committed,
  consumerMessagesWord,
  consumerStreamsWord,
  dataWord,
  headerSize,
  headWord,
  maxMessageLength,
  paddingType,
  producerParkedWord,
  producerStreamsWord,
  recordHeaderSize,
  recordSize,
  tailWord,
} from './layout.js'
import { PoliteLooks } from './polite_looks.js'
import { look, publish, sleepsFor } from './publish.js'
import { RecordView } from './record_view.js'

/** Called with each message; `false` stops after it. */
export type Handle = (message: Buffer, type: number) => unknown

export interface Drained {
  count: number
  /** Whether the handler asked to stop. */
  stopped: boolean
}

/** The endpoint is usable, and has not seen the end, whenever one of these is called. */
export interface RecordReader {
  /** The length of the next message's payload, which stays; `noRecord` when there is none now. */
  peek(): number
  /** Whether there is a next message. */
  hasMessage(): boolean
  /** A copy of the next message, which stays peeked. */
  peekCopy(): Buffer | undefined
  /** Keeps the peeked message, so that the next one can be peeked at. */
  hold(): void
  /** Messages that are kept. */
  readonly held: number
  /** Removes the message that was kept first, or the peeked one, and gives its room back. */
  release(): void
  /** Removes the peeked message; its room is given back by the next `giveBack` or `release`. */
  skip(): void
  giveBack(): void
  /** Handles what is there, at most `limit` messages and one capacity of bytes. */
  drain(handle: Handle, limit: number, wasStopped: () => boolean): Drained
  /** A cheap look for a wait. */
  isReady(): boolean
  /** Notes that the end of the stream has been seen, so that another one may begin. */
  finish(): void
}

/** Straight from the mapped memory. */
export class MappedReader implements RecordReader {
  readonly #state: Int32Array
  readonly #words: Int32Array
  readonly #memory: ArrayBuffer
  readonly #capacity: number
  readonly #mask: number
  readonly #maxLength: number
  readonly #doorbell: Doorbell
  readonly #looks = new PoliteLooks()
  /** Where the messages end that are kept, in order. */
  readonly #held: number[] = []

  constructor(memory: ArrayBuffer, capacity: number, state: Int32Array, doorbell: Doorbell) {
    this.#state = state
    this.#words = new Int32Array(memory)
    this.#memory = memory
    this.#capacity = capacity
    this.#mask = capacity - 1
    this.#maxLength = maxMessageLength(capacity)
    this.#doorbell = doorbell
  }

  peek(): number {
    const state = this.#state
    const peeked = state[State.length]
    if (peeked !== noRecord) return peeked
    for (;;) {
      const position = this.#next()
      const offset = position & this.#mask
      const word = dataWord + (offset >> 2)
      const commit = this.#look(word)
      if (commit === 0) return noRecord
      const length = commit & ~committed
      const type = this.#words[word + 1]
      const toTheEnd = this.#capacity - offset
      if (type === paddingType && commit < 0) {
        if (offset === 0 || length !== toTheEnd - recordHeaderSize) {
          failCorrupt(state, 'consumer', 'padding does not reach to the end of the data')
        }
        this.#skip(position + toTheEnd)
        continue
      }
      if (commit > 0 || type < 0 || length > this.#maxLength || recordSize(length) > toTheEnd) {
        failCorrupt(state, 'consumer', "a record's header makes no sense")
      }
      if (this.#held.length > 0) this.#checkHeld(position + recordSize(length))
      state[State.record] = position
      state[State.length] = length
      state[State.type] = type
      return length
    }
  }

  hasMessage(): boolean {
    return this.peek() !== noRecord
  }

  peekCopy(): Buffer | undefined {
    const length = this.peek()
    if (length === noRecord) return undefined
    const copy = Buffer.allocUnsafe(length)
    copy.set(this.#view(length))
    return copy
  }

  hold(): void {
    const state = this.#state
    this.#held.push(state[State.record] + recordSize(state[State.length]))
    state[State.length] = noRecord
  }

  get held(): number {
    return this.#held.length
  }

  release(): void {
    if (this.#held.length === 0) this.#advance()
    else this.#advanceOverHeld()
    this.#publish()
  }

  skip(): void {
    this.#advance()
  }

  giveBack(): void {
    this.#publish()
  }

  drain(handle: Handle, limit: number, wasStopped: () => boolean): Drained {
    const state = this.#state
    const begin = state[State.position]
    const batch = this.#capacity >> 3
    let count = 0
    try {
      // A producer that is always faster, or invents records, must not keep this going for ever.
      while (count < limit && ((state[State.position] - begin) | 0) < this.#capacity) {
        const length = this.peek()
        if (length === noRecord) break
        const more = handle(this.#view(length), state[State.type])
        if (more !== undefined) refuseAsync(more)
        count++
        if (state[State.status] !== 0) break // closed by the handler
        this.#advance()
        if (((state[State.position] - state[State.published]) | 0) >= batch) this.#publish()
        if (more === false) return { count, stopped: true }
        if (wasStopped()) break
      }
    } finally {
      if (state[State.status] === 0) this.#publish()
    }
    return { count, stopped: false }
  }

  isReady(): boolean {
    return this.#look(dataWord + ((this.#next() & this.#mask) >> 2)) !== 0
  }

  finish(): void {
    const words = this.#words
    publish(words, consumerStreamsWord, Atomics.load(words, producerStreamsWord))
    this.#state[State.status] = Status.ended
  }

  /** Steps over the message that was kept first. */
  #advanceOverHeld(): void {
    this.#state[State.position] = this.#held[0]
    this.#state[State.messages]++
    this.#held.shift()
  }

  /** A producer that overwrites what was not released could have messages held without an end. */
  #checkHeld(end: number): void {
    const state = this.#state
    if ((end - state[State.position]) >>> 0 > this.#capacity) {
      failCorrupt(state, 'consumer', 'there are more messages than the ring can hold')
    }
  }

  /** Where the next message begins: behind those that are kept. */
  #next(): number {
    const { length } = this.#held
    return length === 0 ? this.#state[State.position] : this.#held[length - 1]
  }

  /** Steps over padding, to its end. */
  #skip(end: number): void {
    const { length } = this.#held
    if (length > 0) {
      this.#held[length - 1] = end
      return
    }
    this.#state[State.position] = end
    // Padding that came alone must not wait for a record that is not there yet.
    if (this.#words[dataWord] === 0) this.#publish()
  }

  /** The `commit` word of the place; what is behind it is complete when it is not 0. */
  #look(word: number): number {
    const looks = this.#looks
    let commit = look(this.#words, word)
    // That there is nothing is never believed of a plain load.
    if (commit === 0) commit = Atomics.load(this.#words, word)
    if (commit !== 0) {
      looks.found()
    } else if (looks.pause()) {
      commit = Atomics.load(this.#words, word)
      if (commit !== 0) looks.foundAfterPause()
      else looks.nothingAfterPause()
    }
    return commit
  }

  #view(length: number): Buffer {
    const offset = headerSize + (this.#state[State.record] & this.#mask) + recordHeaderSize
    return new RecordView(this.#memory, offset, length) as unknown as Buffer
  }

  /** Steps over the peeked record without telling the producer. */
  #advance(): void {
    const state = this.#state
    state[State.position] = state[State.record] + recordSize(state[State.length])
    state[State.length] = noRecord
    state[State.messages]++
  }

  #publish(): void {
    const state = this.#state
    const words = this.#words
    const position = state[State.position]
    if (position === state[State.published]) return
    state[State.published] = position
    const fenced = state[State.fenced] !== 0
    if (fenced) Atomics.store(words, headWord, position)
    else publish(words, headWord, position)
    words[consumerMessagesWord] = state[State.messages]
    if (look(words, producerParkedWord) !== 0) this.#wakePeer(position, fenced)
  }

  #wakePeer(position: number, fenced: boolean): void {
    const words = this.#words
    const wanted = sleepsFor(words, producerParkedWord, fenced)
    if (wanted === 0) return
    // The tail may be one publication behind, even behind the head: the wake-up comes early then,
    // never late.
    const used = (Atomics.load(words, tailWord) - position) | 0
    if (used <= 0 || this.#capacity - used >= wanted) this.#doorbell.ring()
  }
}

/** By copies in native code, where the runtime forbids ArrayBuffers over foreign memory. */
export class CopiedReader implements RecordReader {
  readonly #handle: ConsumerHandle
  readonly #state: Int32Array
  readonly #capacity: number
  #copy: Buffer | undefined // of the peeked message

  constructor(handle: ConsumerHandle, capacity: number, state: Int32Array) {
    this.#handle = handle
    this.#state = state
    this.#capacity = capacity
  }

  peek(): number {
    throw needsViews()
  }

  hasMessage(): boolean {
    return this.peekCopy() !== undefined
  }

  peekCopy(): Buffer | undefined {
    return (this.#copy ??= this.#handle.peekCopy())
  }

  hold(): void {
    throw needsViews()
  }

  readonly held = 0

  release(): void {
    this.#copy = undefined
    this.#handle.release()
  }

  skip(): void {
    throw needsViews()
  }

  giveBack(): void {
    throw needsViews()
  }

  drain(handle: Handle, limit: number, wasStopped: () => boolean): Drained {
    const state = this.#state
    const begin = state[State.position]
    let count = 0
    while (count < limit && ((state[State.position] - begin) | 0) < this.#capacity) {
      const message = this.peekCopy()
      if (message === undefined) break
      const more = handle(message, state[State.type])
      if (more !== undefined) refuseAsync(more)
      count++
      if (state[State.status] !== 0) break
      this.release()
      if (more === false) return { count, stopped: true }
      if (wasStopped()) break
    }
    return { count, stopped: false }
  }

  /** Without a mapping JavaScript cannot poll, so never spin. */
  isReady(): boolean {
    return false
  }

  finish(): void {
    this.#handle.finish()
  }
}

/** A promise, also one of another realm or library. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

/** A handler's message is gone when it returns: a promise would work on what is overwritten. */
function refuseAsync(returned: unknown): void {
  if (!isThenable(returned)) return
  returned.then(undefined, () => undefined)
  throw new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    'handler must not be async: its message is valid only until it returns; use read()',
  )
}
