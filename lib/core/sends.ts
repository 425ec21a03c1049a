import { AbortListeners } from './abort_listeners.js'
import { SluiceError } from './errors.js'
import { maxWaiting, timedOut, type WaitOptions } from './waiting.js'

/** What goes with a message beside its bytes. */
export interface Attachment {
  close(): void
}

/** A `send` that is under way. */
export interface Send<T extends Attachment> {
  /** The bytes: an object of its own, by which the stream's machinery hands it back. */
  readonly chunk: Uint8Array
  readonly attachment: T | undefined
  /** Some of it has gone, so that it must go on. */
  started: boolean
  /** It must not begin; it stays in the stream's queue until its turn comes. */
  cancelled: boolean
}

interface Waiting<T extends Attachment> extends Send<T> {
  resolve: () => void
  reject: (reason: unknown) => void
  signal: AbortSignal | undefined
  timer: NodeJS.Timeout | undefined
}

/** The `send`s of a connection, each of which is a chunk of its stream. */
export class Sends<T extends Attachment> {
  readonly #waiting = new Map<Uint8Array, Waiting<T>>()
  readonly #cancel: (send: Send<T>, reason: unknown) => void
  readonly #listeners = new AbortListeners<Waiting<T>>((send, reason) => {
    this.#cancel(send, reason)
  })

  /** `cancel` is called when a signal or the time says so. */
  constructor(cancel: (send: Send<T>, reason: unknown) => void) {
    this.#cancel = cancel
  }

  get full(): boolean {
    return this.#waiting.size >= maxWaiting
  }

  has(chunk: Uint8Array): boolean {
    return this.#waiting.has(chunk)
  }

  get(chunk: Uint8Array): Send<T> | undefined {
    return this.#waiting.get(chunk)
  }

  /** The attachment is closed at every end. */
  add(
    chunk: Uint8Array,
    attachment: T | undefined,
    { signal, timeout }: WaitOptions,
    started = false,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const send: Waiting<T> = {
        chunk,
        attachment,
        started,
        cancelled: false,
        resolve,
        reject,
        signal,
        timer: undefined,
      }
      if (signal !== undefined) this.#listeners.add(signal, send)
      if (timeout !== undefined && timeout < 2 ** 31) {
        send.timer = setTimeout(() => {
          this.#cancel(send, timedOut('send', timeout))
        }, timeout)
      }
      this.#waiting.set(chunk, send)
    })
  }

  /** All of it has gone. */
  sent(chunk: Uint8Array): void {
    this.#remove(chunk)?.resolve()
  }

  fail(chunk: Uint8Array, reason: unknown): void {
    this.#remove(chunk)?.reject(reason)
  }

  /** Nothing of it has gone: it fails, and is passed over when its turn comes. */
  withdraw(send: Send<T>, reason: unknown): void {
    const waiting = this.#waiting.get(send.chunk)
    if (waiting === undefined || waiting.cancelled) return
    waiting.cancelled = true
    this.#release(waiting)
    waiting.reject(reason)
  }

  /** Forgets one that was withdrawn. */
  passOver(chunk: Uint8Array): void {
    this.#waiting.delete(chunk)
  }

  failAll(reason: unknown): void {
    for (const chunk of [...this.#waiting.keys()]) this.fail(chunk, reason)
  }

  #remove(chunk: Uint8Array): Waiting<T> | undefined {
    const send = this.#waiting.get(chunk)
    if (send === undefined) return undefined
    this.#waiting.delete(chunk)
    this.#release(send)
    return send
  }

  #release(send: Waiting<T>): void {
    clearTimeout(send.timer)
    if (send.signal !== undefined) this.#listeners.remove(send.signal, send)
    send.attachment?.close()
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
