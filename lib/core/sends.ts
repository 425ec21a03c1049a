import { AbortListeners } from './abort_listeners.js'
import { SluiceError } from './errors.js'
import { mayGoOn, untilNextTurn } from './turn.js'
import { maxWaiting, timedOut, type WaitOptions } from './waiting.js'

/** What goes with a message beside its bytes. */
export interface Attachment {
  close(): void
}

/** A `send` that waits, or is under way. */
export interface Send<T extends Attachment> {
  readonly bytes: Uint8Array
  readonly attachment: T | undefined
  /** Some of it has gone, so that it must go on. */
  started: boolean
}

interface Waiting<T extends Attachment> extends Send<T> {
  /** Those that stand together, of which this is one. */
  place: Waiting<T>[]
  resolve: () => void
  reject: (reason: unknown) => void
  signal: AbortSignal | undefined
  timer: NodeJS.Timeout | undefined
}

/**
 * The `send`s of a connection. In the stream's queue a marker without bytes stands for those that
 * come one after the other, so that one that is cancelled leaves nothing there.
 */
export class Sends<T extends Attachment> {
  readonly #places = new Map<Uint8Array, Waiting<T>[]>()
  /** Of the marker behind which nothing was written yet. */
  #last: Waiting<T>[] | undefined
  #count = 0
  #ref: boolean
  readonly #cancel: (send: Send<T>, reason: unknown) => void
  readonly #listeners = new AbortListeners<Waiting<T>>((send, reason) => {
    this.#cancel(send, reason)
  })

  /** `cancel` is called when a signal or the time says so. */
  constructor(cancel: (send: Send<T>, reason: unknown) => void, ref: boolean) {
    this.#cancel = cancel
    this.#ref = ref
  }

  get count(): number {
    return this.#count
  }

  get full(): boolean {
    return this.#count >= maxWaiting
  }

  /** Whether the times of those that wait keep the process alive. */
  set ref(ref: boolean) {
    this.#ref = ref
    for (const { timer } of [...this.#places.values()].flat()) {
      if (ref) timer?.ref()
      else timer?.unref()
    }
  }

  /**
   * Adds one at the end of the queue. `write` puts a marker there, if that is needed. The attachment
   * is closed at every end.
   */
  add(
    send: Send<T>,
    { signal, timeout }: WaitOptions,
    write: (marker: Uint8Array) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const marker = this.#last === undefined ? Buffer.alloc(0) : undefined
      const place = (this.#last ??= [])
      const waiting: Waiting<T> = { ...send, place, resolve, reject, signal, timer: undefined }
      if (signal !== undefined) this.#listeners.add(signal, waiting)
      if (timeout !== undefined && timeout < 2 ** 31) {
        waiting.timer = setTimeout(() => {
          this.#cancel(waiting, timedOut('send', timeout))
        }, timeout)
        if (!this.#ref) waiting.timer.unref()
      }
      place.push(waiting)
      this.#count++
      if (marker === undefined) return
      this.#places.set(marker, place)
      write(marker)
    })
  }

  /** Something else was written: what is sent next comes after it. */
  separate(): void {
    this.#last = undefined
  }

  isMarker(chunk: Uint8Array): boolean {
    return this.#places.has(chunk)
  }

  /** The next of those that the marker stands for; undefined when there are no more. */
  next(marker: Uint8Array): Send<T> | undefined {
    const place = this.#places.get(marker)
    if (place === undefined || place.length > 0) return place?.[0]
    this.#places.delete(marker)
    if (this.#last === place) this.#last = undefined
    return undefined
  }

  /** All of it has gone. */
  sent(send: Send<T>): void {
    const waiting = this.#remove(send)
    if (waiting === undefined) return
    if (mayGoOn()) waiting.resolve()
    else void untilNextTurn().then(waiting.resolve)
  }

  fail(send: Send<T>, reason: unknown): void {
    this.#remove(send)?.reject(reason)
  }

  failAll(reason: unknown): void {
    for (const send of [...this.#places.values()].flat()) this.fail(send, reason)
  }

  #remove(send: Send<T>): Waiting<T> | undefined {
    const waiting = send as Waiting<T>
    const index = waiting.place.indexOf(waiting)
    if (index < 0) return undefined
    waiting.place.splice(index, 1)
    this.#count--
    clearTimeout(waiting.timer)
    if (waiting.signal !== undefined) this.#listeners.remove(waiting.signal, waiting)
    waiting.attachment?.close()
    return waiting
  }
}

/** What a connection is lost by when a send is cancelled of which some has gone. */
export function cutShort(reason: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_CLOSED',
    'a send was cancelled in the middle of its bytes, of which the peer could make no sense',
    { cause: reason },
  )
}

export function tooManySends(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_QUEUE_FULL',
    `${String(maxWaiting)} sends already wait; await them before starting more`,
  )
}
