import { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'

import { checkFunction, checkInteger, checkOptions } from './arguments.js'
import { SluiceError } from './errors.js'
import { Sends, tooManySends, type Attachment, type Send } from './sends.js'
import { mayGoOn } from './turn.js'
import {
  aborted,
  checkWaitOptions,
  notYet,
  waitOptionNames,
  WaitQueue,
  type WaitOptions,
} from './waiting.js'

export type Callback = (error?: Error | null) => void

export interface LocalConnectionOptions {
  /**
   * Default false: when the peer has ended its side, this side ends too. Take true for TLS over the
   * connection, whose last records are cut off otherwise.
   */
  allowHalfOpen?: boolean
  /** Bytes that the stream keeps unread and unwritten at most; default 64 KiB each. */
  highWaterMark?: number
}

/**
 * What connections on one machine have in common: a Duplex stream, and messages.
 *
 * As a stream it behaves as a `net.Socket` does. `send` and `receive` can be used instead: `send`
 * also together with the stream's `write`, in whose order it is; `receive` only as long as nothing
 * reads the stream. What fails then is told by their promises, and an `'error'` event comes only if
 * the stream is used or somebody listens to it.
 */
export abstract class LocalConnection<Message, T extends Attachment = Attachment> extends Duplex {
  // Made when there is the first: most connections are idle, and there may be many.
  #receives: WaitQueue | undefined
  #sends: Sends<T> | undefined
  #readsStream = false
  #writesStream = false
  #failure: Error | undefined
  #idle: NodeJS.Timeout | undefined
  #idleMs: number | undefined

  /** @internal `keepsBoundaries`: what is read are messages, which a stream of bytes would join. */
  protected constructor(keepsBoundaries: boolean, options: Readonly<LocalConnectionOptions>) {
    const { allowHalfOpen = false, highWaterMark = 65536 } = options
    super({
      allowHalfOpen,
      emitClose: false, // it is emitted with its argument, as by net.Socket
      writableHighWaterMark: highWaterMark,
      ...(keepsBoundaries
        ? { readableObjectMode: true }
        : { readableHighWaterMark: highWaterMark }),
    })
  }

  abstract get bytesRead(): number
  /** Bytes that the system has taken; `net.Socket` counts what it keeps itself as well. */
  abstract get bytesWritten(): number

  /**
   * What comes next: a message of a connection that keeps boundaries; of a stream, the bytes that
   * are there (on a Unix socket up to where the kernel keeps those with descriptors apart).
   * Undefined at the end.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`; `ERR_SLUICE_SYSTEM` (`ECONNRESET`);
   * `ERR_SLUICE_INVALID_STATE` when the stream is being read; `ERR_SLUICE_MESSAGE_TOO_LONG` and, on
   * a Unix socket, `ERR_SLUICE_FDS_LIMIT` and `ERR_SLUICE_FDS_TRUNCATED`, after which the connection
   * is destroyed; `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting receives; the
   * signal's reason.
   */
  receive(options: WaitOptions = {}): Promise<Message | undefined> {
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#readsStream) {
      return Promise.reject(
        new SluiceError(
          'ERR_SLUICE_INVALID_STATE',
          'the connection is being read as a stream; use either that or receive',
        ),
      )
    }
    if (this.atEnd) return Promise.resolve(undefined)
    if (this.destroyed) return Promise.reject(this.closedError())
    // Otherwise a look would mostly be in vain.
    const look = this.mayHaveMessage || options.timeout !== undefined
    if (look && !this.isReceiving && mayGoOn()) {
      try {
        const message = this.receiveNow()
        if (message !== notYet) return Promise.resolve(message)
      } catch (error) {
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
        return Promise.reject(error)
      }
    }
    this.#receives ??= this.#newReceives()
    const promise = this.#receives.add('receive', () => this.receiveNow(), options)
    if (this.isReceiving) this.startReading()
    return promise
  }

  /**
   * Emits `'timeout'` when nothing was read or written for so many milliseconds; 0: never. What to
   * do then is the listener's business.
   */
  setTimeout(milliseconds: number, listener?: () => void): this {
    checkInteger('milliseconds', milliseconds, 0, 2 ** 31 - 1)
    if (listener !== undefined) checkFunction('listener', listener)
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#idleMs = milliseconds === 0 ? undefined : milliseconds
    if (milliseconds === 0) {
      if (listener !== undefined) this.removeListener('timeout', listener)
      return this
    }
    if (listener !== undefined) this.once('timeout', listener)
    if (!this.destroyed) {
      this.#idle = setTimeout(() => this.emit('timeout'), milliseconds).unref()
    }
    return this
  }

  /** The connection keeps the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /** The connection no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false)
  }

  // What code that was written for net.Socket, such as Node's HTTP, calls.

  /** Milliseconds of `setTimeout`; undefined when there are none. */
  get timeout(): number | undefined {
    return this.#idleMs
  }

  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- a field takes memory
  get connecting(): boolean {
    return false
  }

  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- a field takes memory
  get pending(): boolean {
    return false
  }

  get readyState(): 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.destroyed) return 'closed'
    if (this.readable) return this.writable ? 'open' : 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  /** Does nothing: that is about TCP. */
  setNoDelay(): this {
    return this
  }

  /** Does nothing: that is about TCP. */
  setKeepAlive(): this {
    return this
  }

  /** Ends, and destroys when everything is written. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** As streams of the Web. */
  toWeb(): { readable: ReadableStream; writable: WritableStream } {
    return Duplex.toWeb(this)
  }

  /** Closes at once: what was not written is lost. `end()` is for the other way. Idempotent. */
  close(): void {
    this.destroy()
  }

  [Symbol.dispose](): void {
    this.destroy()
  }

  // What the transport has to do.

  /** The peer will send no more, and everything that it has sent was taken. */
  protected abstract get atEnd(): boolean
  /** Whether a `receive` probably finds something now. */
  protected abstract get mayHaveMessage(): boolean
  protected abstract get referenced(): boolean
  protected abstract set referenced(ref: boolean)
  /** The next message, undefined at the end; throws what `receive` is to fail with. */
  protected abstract receiveNow(): Message | undefined | typeof notYet
  /** Sees to it that `serveReceives` or `push` is called when there is something. */
  protected abstract startReading(): void
  /** Nobody waits to receive any more. */
  protected abstract stopReading(): void
  /** Writes the chunks, in order; those that are `send`s as wholes. */
  protected abstract startWriting(chunks: readonly Buffer[], callback: Callback): void
  /** What becomes of a send that is cancelled. */
  protected abstract cancelSend(send: Send<T>, reason: unknown): void
  /** Lets go of the connection; `callback` when nothing of it is left. */
  protected abstract release(callback: () => void): void

  // What the transport uses.

  protected get sends(): Sends<T> | undefined {
    return this.#sends
  }

  protected get isReceiving(): boolean {
    return this.#receives !== undefined && this.#receives.length > 0
  }

  protected get readsStream(): boolean {
    return this.#readsStream
  }

  /** Undefined when a `send` can go on; what it is to return otherwise. */
  protected refuseSend(options: WaitOptions): Promise<never> | undefined {
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.destroyed || this.writableEnded) return Promise.reject(this.closedError())
    if (this.#sends?.full === true) return Promise.reject(tooManySends())
    return undefined
  }

  /** Whether nothing is before what would be written now. */
  protected get writesNothing(): boolean {
    return (
      this.writableLength === 0 &&
      this.writableCorked === 0 &&
      (this.#sends === undefined || this.#sends.count === 0)
    )
  }

  /** A send goes by the stream's own queue, so that it is in order with `write`. */
  protected queueSend(
    bytes: Uint8Array,
    attachment: T | undefined,
    options: WaitOptions,
    started = false,
  ): Promise<void> {
    this.#sends ??= new Sends((send, reason) => {
      this.cancelSend(send, reason)
    }, this.referenced)
    return this.#sends.add({ bytes, attachment, started }, options, (marker) => super.write(marker))
  }

  protected serveReceives(): void {
    this.#receives?.service()
  }

  /** Something was read or written. */
  protected touch(): void {
    this.#idle?.refresh()
  }

  protected closedError(): Error {
    return this.#failure ?? new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed')
  }

  // The stream's side.

  /** @internal */
  override _read(): void {
    if (!this.#readsStream) {
      this.#readsStream = true
      this.#receives?.fail(
        new SluiceError('ERR_SLUICE_INVALID_STATE', 'the connection began to be read as a stream'),
      )
    }
    this.startReading()
  }

  override write(
    chunk: unknown,
    encoding?: BufferEncoding | ((error: Error | null | undefined) => void),
    callback?: (error: Error | null | undefined) => void,
  ): boolean {
    this.#sends?.separate()
    return super.write(chunk, encoding as BufferEncoding, callback)
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#begin([chunk], callback)
  }

  /** @internal */
  override _writev(items: { chunk: Buffer }[], callback: Callback): void {
    this.#begin(
      items.map(({ chunk }) => chunk),
      callback,
    )
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#failure = error ?? undefined
    // The promises have told it to who uses only those: an event nobody listens to would end the
    // process.
    const told = !this.#readsStream && !this.#writesStream && this.listenerCount('error') === 0
    this.release(() => {
      callback(told ? null : error)
      process.nextTick(() => this.emit('close', error !== null))
    })
    // Errors are dear, and mostly nobody waits.
    if (this.isReceiving) this.#receives?.fail(this.closedError())
    if (this.#sends !== undefined && this.#sends.count > 0) this.#sends.failAll(this.closedError())
  }

  #begin(chunks: readonly Buffer[], callback: Callback): void {
    if (!this.#writesStream) {
      this.#writesStream = !chunks.every((chunk) => this.#sends?.isMarker(chunk) === true)
    }
    this.touch()
    this.startWriting(chunks, callback)
  }

  #newReceives(): WaitQueue {
    const queue = new WaitQueue(() => {
      if (queue.length === 0 && !this.#readsStream) this.stopReading()
    })
    queue.ref = this.referenced
    return queue
  }

  #setRef(ref: boolean): this {
    if (!this.destroyed) this.referenced = ref
    if (this.#receives !== undefined) this.#receives.ref = ref
    if (this.#sends !== undefined) this.#sends.ref = ref
    return this
  }
}
