/** Messages that have come and were not taken, and the `receive`s that wait for the next. */
import type { WaitOptions } from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import type { Closable } from './transport.js'

/** A chunk as the transport gave it. */
export interface Arrival {
  readonly data: Buffer
  readonly received: readonly Closable[]
}

/** Takes the arrivals of a connection, in place of `receive` and of the stream. */
export interface ArrivalTaker {
  /** Whether more is wanted now. Must not throw. */
  take(arrival: Arrival): boolean
  /** The peer has ended its side. */
  ended(): void
  /** The connection has closed, by itself or by this side; with an error if it failed. */
  closed(error: Error | null): void
}

export class Inbox<Message> {
  /** At most one for a transport that reads when it is asked: it came for a `receive` cancelled since. */
  readonly #kept: Arrival[] = []
  readonly #receives: WaitQueue
  readonly #unpack: (arrival: Arrival) => Message
  readonly #tookLast: () => void
  #ended = false

  /**
   * `unpack` makes of a chunk what `receive` gives. `nobodyWaits`: the last `receive` was cancelled.
   * `tookLast`: the end has come, and what came before it was taken.
   */
  constructor(
    unpack: (arrival: Arrival) => Message,
    nobodyWaits: () => void,
    tookLast: () => void,
    ref: boolean,
  ) {
    this.#unpack = unpack
    this.#tookLast = tookLast
    this.#receives = new WaitQueue(() => {
      if (this.#receives.length === 0) nobodyWaits()
      else this.#receives.service()
    })
    this.#receives.ref = ref
  }

  get empty(): boolean {
    return this.#kept.length === 0
  }

  /** The peer's end has come, and everything before it was taken. */
  get atEnd(): boolean {
    return this.#ended && this.#kept.length === 0
  }

  get ended(): boolean {
    return this.#ended
  }

  get isReceiving(): boolean {
    return this.#receives.length > 0
  }

  /** Calls of `receive` that wait. */
  get waiting(): number {
    return this.#receives.length
  }

  set ref(ref: boolean) {
    this.#receives.ref = ref
  }

  keep(arrival: Arrival): void {
    this.#kept.push(arrival)
  }

  /** It was taken too early. */
  putBack(arrival: Arrival): void {
    this.#kept.unshift(arrival)
  }

  /** Nothing comes any more. */
  end(): void {
    this.#ended = true
  }

  takeArrival(): Arrival | undefined {
    return this.#kept.shift()
  }

  /** The next message; undefined at the end. */
  take(): Message | undefined | typeof notYet {
    const arrival = this.#kept.shift()
    if (arrival === undefined) return this.#ended ? undefined : notYet
    // Not before it is handed out: the end would overtake it.
    if (this.atEnd) process.nextTick(this.#tookLast)
    return this.#unpack(arrival)
  }

  receive(options: WaitOptions): Promise<Message | undefined> {
    return this.#receives.add('receive', () => this.take(), options)
  }

  /** At most so many bytes of the next message, whose rest stays; undefined at the end. */
  receiveBytes(most: number, options: WaitOptions): Promise<Buffer | undefined> {
    return this.#receives.add('receive', () => this.#takeBytes(most), options)
  }

  #takeBytes(most: number): Buffer | undefined | typeof notYet {
    const first = this.#kept.at(0)
    if (first === undefined) return this.#ended ? undefined : notYet
    const { data, received } = first
    if (data.byteLength > most) {
      this.#kept[0] = { data: data.subarray(most), received }
      return data.subarray(0, most)
    }
    this.#kept.shift()
    closeAll(received) // whoever asks for bytes alone has no use for them
    if (this.atEnd) process.nextTick(this.#tookLast)
    return data
  }

  /** Hands out what is there to those that wait. */
  serve(): void {
    this.#receives.service()
  }

  fail(reason: unknown): void {
    this.#receives.fail(reason)
  }

  /** Closes what came with messages that nobody has taken. */
  close(): void {
    for (const { received } of this.#kept.splice(0)) closeAll(received)
  }
}

export function closeAll(received: readonly Closable[]): void {
  for (const one of received) one.close()
}
