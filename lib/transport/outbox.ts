/**
 * The data that a connection has to write: chunks of the stream and messages of `send`, in one
 * order.
 *
 * The order is that of the stream's own queue. In it a marker without bytes stands for the sends that
 * were called one after the other, with no `write` between them. So a send that is cancelled leaves
 * nothing behind in a queue that cannot be searched. Only this file knows of markers.
 */
import { lostMemory } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { Operation } from '../core/operation.js'
import { mayGoOn, untilNextTurn } from '../core/turn.js'
import type { WaitOptions } from '../core/wait_options.js'
import { maxWaiting, queueFull } from '../core/wait_queue.js'

/** The stream's callback for what it gave to write. */
export type Callback = (error?: Error | null) => void

/**
 * Things that go with one message beside its bytes, such as duplicates of open files: kept from the
 * call of {@link Connection.send} until the message has gone or never will.
 */
export interface Cargo {
  /** Called once. `sent`: the system has the whole message. */
  settled(sent: boolean): void
}

/** The calls that the outbox makes to its connection. */
export interface OutboxOwner {
  /** The system has taken something. */
  progressed(): void
  /** Everything that was loaded is written. */
  emptied(): void
  /** The first in line is gone; `write` the next. */
  proceed(): void
  /** Stops the system's write: see `Transport.interruptWrite`. */
  interrupt(): boolean
  /** The connection cannot go on: a message ended in the middle. */
  lost(error: Error): void
}

/** A message that waits, or is under way. */
interface Send {
  readonly operation: Operation
  readonly chunks: readonly [Uint8Array]
  /** Bytes that it had when it was sent. */
  readonly length: number
  readonly cargo: Cargo | undefined
  /** All sends that stand together behind one marker, this one among them. */
  readonly place: Send[]
  /** Some of it has gone, so that it must go on. */
  started: boolean
  /** It was cancelled while the system had it: its outcome says what became of it. */
  cancelled: { readonly reason: unknown } | undefined
}

const none: readonly Uint8Array[] = []

function lengthOf(chunks: readonly Uint8Array[], index: number, end: number): number {
  let length = 0
  for (let i = index; i < end; i++) length += chunks[i].byteLength
  return length
}

/** The data that a connection has to write, for its {@link Transport}, which takes it in order. */
export class Outbox {
  readonly #owner: OutboxOwner
  #ref: boolean
  /** By marker. Made for the first send that waits. */
  #places: Map<Uint8Array, Send[]> | undefined
  /** The place of the marker behind which nothing was written yet. */
  #open: Send[] | undefined
  #count = 0

  // The chunks that the stream gave to write, and how far that is.
  #loaded: readonly Uint8Array[] = none
  #position = 0
  #callback: Callback | undefined

  /** The send that is first; undefined when chunks of the stream are. */
  #send: Send | undefined
  #chunks: readonly Uint8Array[] = none
  #index = 0
  #end = 0
  #offset = 0
  /** Bytes that are to be written of these, however long the chunks are by now. */
  #left = 0
  /** Bytes of the first of them, when it became the first. */
  #firstLength = 0

  // How long the system did not take all that there was.
  #blockedSince: number | undefined
  #blockedMs = 0

  /** @internal */
  constructor(owner: OutboxOwner, ref: boolean) {
    this.#owner = owner
    this.#ref = ref
  }

  // For the transport.

  /**
   * Whether there is something to write: `chunks[index]` from `offset`, up to but without
   * `chunks[end]`. At the end the connection is told.
   */
  next(): boolean {
    if (this.#index < this.#end) {
      if (this.#isWhole()) return true
      if (!this.#lose()) return false
    }
    while (this.#position < this.#loaded.length) {
      const place = this.#places?.get(this.#loaded[this.#position])
      if (place === undefined) {
        const end = this.#endOfChunks()
        this.#begin(this.#loaded, this.#position, end, lengthOf(this.#loaded, this.#position, end))
        return true
      }
      this.#send = place.at(0)
      if (this.#send !== undefined) {
        this.#begin(this.#send.chunks, 0, 1, this.#send.length)
        if (this.first.byteLength === this.#send.length) return true
        this.#lose()
        continue
      }
      this.#forget(this.#loaded[this.#position], place)
      this.#position++
    }
    this.#loaded = none
    this.#position = 0
    if (this.#callback !== undefined) this.#owner.emptied()
    return false
  }

  /** Chunks of the stream, or the one of a message. */
  get chunks(): readonly Uint8Array[] {
    return this.#chunks
  }

  /** The number of the chunk that is to be written first. */
  get index(): number {
    return this.#index
  }

  /** The number of the first chunk that is not to be written. */
  get end(): number {
    return this.#end
  }

  /** Bytes of the chunk at `index` that were taken already. */
  get offset(): number {
    return this.#offset
  }

  /** The first of the chunks. */
  get first(): Uint8Array {
    return this.#chunks[this.#index]
  }

  /** The cargo of the message that is first. */
  get cargo(): Cargo | undefined {
    return this.#send?.cargo
  }

  /** The system has taken so many bytes of the chunks. */
  wrote(count: number): void {
    const send = this.#send
    if (send !== undefined) send.started = true
    if (!this.#isWhole()) {
      // The chunks do not tell any more how much of them has gone.
      this.#lose()
      return
    }
    this.#owner.progressed()
    this.#left -= count
    let left = count + this.#offset
    while (this.#index < this.#end) {
      const length = this.#chunks[this.#index].byteLength
      if (left < length) break
      left -= length
      this.#index++
    }
    this.#offset = left
    if (this.#index < this.#end) this.#firstLength = this.first.byteLength
    else if (this.#left !== 0) {
      this.#lose()
      return
    }
    if (send === undefined) {
      this.#position = this.#index
    } else if (this.#index === this.#end) {
      this.#send = undefined
      this.#sent(send)
    }
  }

  /** The whole first chunk was taken, however many bytes the transport has made of it. */
  wroteFirst(): void {
    this.wrote(this.first.byteLength - this.#offset)
  }

  /**
   * The system refuses what is first, and nothing of it has gone. False: that is no message of a
   * `send`, which could fail alone.
   */
  refuse(error: Error): boolean {
    const send = this.#send
    if (send === undefined || send.started) return false
    this.#leave(send)
    this.#fail(send, error)
    return true
  }

  /**
   * The write was interrupted, and some of what is first may have gone. False: nobody has cancelled
   * it, so the transport has an error of its own.
   */
  interrupted(): boolean {
    const send = this.#send
    if (send?.cancelled === undefined) return false
    this.#cut(send, send.cancelled.reason)
    return true
  }

  // For the connection.

  /** Nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#count === 0 && this.#callback === undefined
  }

  /** @internal */
  set ref(ref: boolean) {
    this.#ref = ref
    for (const { operation } of this.#all()) operation.ref = ref
  }

  /** Messages of `send` that wait, with the one that is under way. */
  get waiting(): number {
    return this.#count
  }

  /** Milliseconds in which there was something that the system did not take. */
  get blockedMs(): number {
    const since = this.#blockedSince
    return this.#blockedMs + (since === undefined ? 0 : performance.now() - since)
  }

  /** @internal The system was given what there is: what is left it does not take for now. */
  given(): void {
    if (this.#callback !== undefined) this.#blockedSince ??= performance.now()
  }

  /** @internal Whether these are more than markers. */
  hasChunks(chunks: readonly Uint8Array[]): boolean {
    return !chunks.every((chunk) => this.#places?.has(chunk))
  }

  /** @internal The next chunks of the stream, when those before are written. */
  load(chunks: readonly Uint8Array[], callback: Callback): void {
    this.#loaded = chunks
    this.#position = 0
    this.#callback = callback
    // Sends to come must not keep the callback of what was written from its turn.
    if (chunks.length > 1) this.#open = undefined
  }

  /** @internal The callback for what was loaded, once. */
  takeCallback(): Callback | undefined {
    const callback = this.#callback
    this.#callback = undefined
    this.#blockedMs = this.blockedMs
    this.#blockedSince = undefined
    return callback
  }

  /**
   * Adds a message at the end of the queue. `write` puts a marker there, if that is needed. `started`:
   * the bytes before these have gone already.
   *
   * @internal
   */
  add(
    bytes: Uint8Array,
    cargo: Cargo | undefined,
    started: boolean,
    options: WaitOptions,
    write: (marker: Uint8Array) => void,
  ): Promise<void> {
    const operation = new Operation<void>(
      'send',
      options,
      (_, reason) => {
        this.#cancel(send, reason)
      },
      this.#ref,
    )
    const marker = this.#open === undefined ? Buffer.alloc(0) : undefined
    const place = (this.#open ??= [])
    const send: Send = {
      operation,
      chunks: [bytes],
      length: bytes.byteLength,
      cargo,
      place,
      started,
      cancelled: undefined,
    }
    place.push(send)
    this.#count++
    if (marker !== undefined) {
      this.#places ??= new Map()
      this.#places.set(marker, place)
      write(marker)
    }
    return operation.promise
  }

  /** @internal The error of a `send` that is one too many; undefined when there is room. */
  get full(): SluiceError | undefined {
    return this.#count >= maxWaiting ? queueFull('sends') : undefined
  }

  /** @internal A chunk is written to the stream: what is sent next comes after it. */
  separate(): void {
    this.#open = undefined
  }

  /** @internal The connection is lost. */
  failAll(reason: unknown): void {
    for (const send of this.#all()) {
      this.#leave(send)
      this.#fail(send, reason)
    }
    this.takeCallback()?.(
      reason instanceof Error
        ? reason
        : new SluiceError('ERR_SLUICE_CLOSED', 'the connection was aborted', { cause: reason }),
    )
  }

  #all(): Send[] {
    return [...(this.#places?.values() ?? [])].flat()
  }

  #begin(chunks: readonly Uint8Array[], index: number, end: number, length: number): void {
    this.#chunks = chunks
    this.#index = index
    this.#end = end
    this.#offset = 0
    this.#left = length
    this.#firstLength = index < end ? chunks[index].byteLength : 0
  }

  /** False when memory beneath what is first was transferred away or resized. */
  #isWhole(): boolean {
    return this.#index >= this.#end || this.first.byteLength === this.#firstLength
  }

  /** Fails what is first, whose memory has gone. False: a part was written, so the connection is lost. */
  #lose(): boolean {
    const send = this.#send
    const error = lostMemory()
    if (send === undefined) this.#owner.lost(error)
    else if (send.started) this.#cut(send, error)
    else return this.refuse(error)
    return false
  }

  /** The chunks of the stream up to the next marker. */
  #endOfChunks(): number {
    const { length } = this.#loaded
    if (this.#places === undefined || this.#places.size === 0) return length
    for (let index = this.#position + 1; index < length; index++) {
      if (this.#places.has(this.#loaded[index])) return index
    }
    return length
  }

  #forget(marker: Uint8Array, place: Send[]): void {
    this.#places?.delete(marker)
    if (this.#open === place) this.#open = undefined
  }

  #sent(send: Send): void {
    if (!this.#remove(send)) return
    send.cargo?.settled(true)
    const resolve = () => {
      send.operation.resolve()
    }
    if (mayGoOn()) resolve()
    else void untilNextTurn().then(resolve)
  }

  #fail(send: Send, reason: unknown): void {
    if (!this.#remove(send)) return
    send.cargo?.settled(false)
    send.operation.reject(reason)
  }

  #remove(send: Send): boolean {
    const index = send.place.indexOf(send)
    if (index < 0) return false
    send.place.splice(index, 1)
    this.#count--
    return true
  }

  /** It is first no more. */
  #leave(send: Send): void {
    if (this.#send !== send) return
    this.#send = undefined
    this.#begin(none, 0, 0, 0)
  }

  /** Its signal or its time says that it is not wanted any more. */
  #cancel(send: Send, reason: unknown): void {
    const isFirst = this.#send === send
    if (isFirst && send.cancelled !== undefined) return
    if (isFirst && this.#owner.interrupt()) {
      send.cancelled = { reason }
      return
    }
    if (send.started) {
      this.#cut(send, reason)
      return
    }
    this.#leave(send)
    this.#fail(send, reason)
    // It may be what the transport waited to write. Not at once: the same signal may cancel what comes
    // next, of which nothing must have gone by then.
    if (isFirst) {
      queueMicrotask(() => {
        this.#owner.proceed()
      })
    }
  }

  #cut(send: Send, reason: unknown): void {
    this.#leave(send)
    this.#fail(send, reason)
    this.#owner.lost(cancelledMidway(reason))
  }
}

/** The error that ends a connection when a partly sent message is cancelled. */
export function cancelledMidway(reason: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_CLOSED',
    'a send was cancelled in the middle of its bytes; the peer could make no sense of the rest',
    { cause: reason },
  )
}
