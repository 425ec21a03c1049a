import { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'

import { checkBytes, checkFunction, checkInteger, checkOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { closed, releaseWhenForgotten } from '../core/forgotten.js'
import {
  aborted,
  checkWaitOptions,
  maxWaiting,
  notYet,
  timedOut,
  waitOptionNames,
  WaitQueue,
  type WaitOptions,
} from '../core/waiting.js'
import { Incoming } from './incoming.js'
import { Outgoing } from './outgoing.js'
import type { NamedPipePeer } from './peer.js'
import type { PipeIo } from './pipe_io.js'

type Callback = (error?: Error | null) => void

export interface NamedPipeConnectionOptions {
  /** As with `net.Socket`: whether the writing side stays open when the peer has ended its own. */
  allowHalfOpen?: boolean
  /** Bytes that each side of the stream keeps at most; default 64 KiB. */
  highWaterMark?: number
  /** The longest message that is taken; default 16 MiB. For `mode: 'message'`. */
  maxMessageLength?: number
}

export const connectionOptionNames = ['allowHalfOpen', 'highWaterMark', 'maxMessageLength'] as const
const defaultMaxMessageLength = 16 * 2 ** 20

/** What comes out of `receive`. */
export interface ReceivedPipeMessage {
  data: Buffer
}

/** What the pipe is, beside what the user wants of it. */
export interface PipeKind {
  mode: 'byte' | 'message'
  /** Whether the system keeps the boundaries of writes. */
  messageType: boolean
}

/**
 * A connection over a named pipe: a Duplex stream, and messages.
 *
 * As a stream it behaves as a `net.Socket` does, but for the end. A pipe of bytes has no half-close
 * on Windows: `end()` closes the connection when everything is written, and the peer can still read
 * all of it. On a pipe of messages (of a server with `mode: 'message'` or `halfClose: true`) `end()`
 * ends the writing side only.
 *
 * With `mode: 'message'` each write is one message and each chunk that is read is one message,
 * however long. A message without bytes means the end, so empty writes are left out.
 *
 * `receive` can be used only as long as nothing reads the stream. What fails in `send` and `receive`
 * is told by their promises, and an `'error'` event comes only if the stream is used or somebody
 * listens to it.
 */
export class NamedPipeConnection extends Duplex {
  readonly mode: 'byte' | 'message'
  readonly #io: PipeIo
  readonly #messageType: boolean
  readonly #incoming: Incoming
  readonly #outgoing: Outgoing
  readonly #receives: WaitQueue
  /** Read for a `receive` that was cancelled meanwhile. */
  readonly #kept: Buffer[] = []
  readonly #identify: ((connection: NamedPipeConnection) => void) | undefined
  #peer: NamedPipePeer
  #readsStream = false
  #writesStream = false
  #failure: Error | undefined
  #idle: NodeJS.Timeout | undefined

  /**
   * `identify` is called once, after the first bytes.
   *
   * @internal
   */
  constructor(
    io: PipeIo,
    kind: PipeKind,
    peer: NamedPipePeer,
    options: NamedPipeConnectionOptions,
    identify?: () => Promise<NamedPipePeer>,
  ) {
    const { allowHalfOpen = false, highWaterMark = 65536 } = options
    const keepsBoundaries = kind.mode === 'message'
    super({
      allowHalfOpen,
      writableHighWaterMark: highWaterMark,
      // A stream of bytes would put messages together.
      ...(keepsBoundaries
        ? { readableObjectMode: true }
        : { readableHighWaterMark: highWaterMark }),
    })
    const { maxMessageLength = defaultMaxMessageLength } = options
    this.mode = kind.mode
    this.#io = io
    this.#peer = peer
    this.#messageType = kind.messageType
    const kinds = { messageType: kind.messageType, keepsBoundaries, maxMessageLength }
    this.#incoming = new Incoming(io, kinds, {
      chunk: (data) => {
        this.#onChunk(data)
      },
      end: () => {
        this.#onEnd()
      },
      failed: (error) => {
        this.destroy(error)
      },
    })
    this.#outgoing = new Outgoing(io, keepsBoundaries)
    this.#receives = new WaitQueue(() => {
      if (this.#receives.length === 0 && !this.#readsStream) this.#incoming.cancel()
    })
    if (identify !== undefined) {
      this.#identify = once((connection) => {
        void identify().then((known) => {
          connection.#peer = known
          connection.emit('peer', known)
        })
      })
    }
    releaseWhenForgotten(this, 'NamedPipeConnection', () => {
      io.abandon()
    })
  }

  /**
   * Who is at the other end. Where Windows tells a client's user only after its first byte,
   * `userSid` is undefined until then, and a `'peer'` event says when it is known.
   */
  get peer(): NamedPipePeer {
    return this.#peer
  }

  get bytesRead(): number {
    return this.#incoming.bytesRead
  }

  get bytesWritten(): number {
    return this.#outgoing.bytesWritten
  }

  /**
   * Sends the bytes as a whole; resolves when the system has them all. The bytes must not change
   * until then.
   *
   * A send that is cancelled before it has begun leaves nothing behind. If it has begun, it either
   * completes all the same, or the connection is destroyed: the peer could not make sense of what
   * follows.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`; `ERR_SLUICE_SYSTEM` (`ERROR_NO_DATA`, when the peer has
   * closed); `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting sends; the signal's
   * reason.
   */
  send(bytes: Uint8Array, options: WaitOptions = {}): Promise<void> {
    checkBytes('bytes', bytes)
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    const { signal, timeout } = options
    if (signal?.aborted === true) return aborted(signal)
    if (this.destroyed || this.writableEnded) return Promise.reject(this.#closedError())
    if (bytes.byteLength === 0) return Promise.resolve()
    if (this.#outgoing.messageCount >= maxWaiting) {
      return Promise.reject(
        new SluiceError(
          'ERR_SLUICE_QUEUE_FULL',
          `${String(maxWaiting)} sends already wait; await them before starting more`,
        ),
      )
    }
    // An object of its own, by which the stream's machinery hands it back.
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const settled = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      const abort = () => {
        this.#outgoing.cancelMessage(chunk, signal?.reason)
      }
      signal?.addEventListener('abort', abort)
      if (timeout !== undefined && timeout < 2 ** 31) {
        timer = setTimeout(() => {
          this.#outgoing.cancelMessage(chunk, timedOut('send', timeout))
        }, timeout)
      }
      this.#outgoing.addMessage(chunk, {
        sent: () => {
          settled()
          resolve()
        },
        failed: (reason) => {
          settled()
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason can be anything
          reject(reason)
        },
      })
      this.write(chunk)
    })
  }

  /**
   * What comes next: a message with `mode: 'message'`, otherwise the bytes that are there. Undefined
   * at the end.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`; `ERR_SLUICE_INVALID_STATE` when the stream is being read;
   * `ERR_SLUICE_MESSAGE_TOO_LONG`, after which the connection is destroyed; `ERR_SLUICE_SYSTEM`;
   * `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL`; the signal's reason.
   */
  receive(options: WaitOptions = {}): Promise<ReceivedPipeMessage | undefined> {
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
    if (this.destroyed && !this.#incoming.ended) return Promise.reject(this.#closedError())
    const promise = this.#receives.add('receive', () => this.#receiveNow(), options)
    this.#receives.service()
    if (this.#receives.length > 0) this.#incoming.read()
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

  /** The open connection keeps the process alive again. */
  ref(): this {
    if (!this.destroyed) this.#io.ref = true
    this.#receives.ref = true
    return this
  }

  /** The open connection no longer keeps the process alive. */
  unref(): this {
    if (!this.destroyed) this.#io.ref = false
    this.#receives.ref = false
    return this
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

  /** @internal */
  override _read(): void {
    if (!this.#readsStream) {
      this.#readsStream = true
      this.#receives.fail(
        new SluiceError('ERR_SLUICE_INVALID_STATE', 'the connection began to be read as a stream'),
      )
    }
    for (const data of this.#kept.splice(0)) this.push(data)
    this.#incoming.read()
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
  override _final(callback: Callback): void {
    if (this.#messageType) {
      this.#outgoing.writeEnd(callback)
      return
    }
    // Everything was written, and stays readable for the peer when this end is closed.
    this.#io.close(() => {
      this.push(null)
      if (!this.#readsStream) this.resume()
      callback()
    })
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    closed(this)
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#failure = error ?? undefined
    const reason = this.#closedError()
    this.#outgoing.close()
    this.#outgoing.failMessages(reason)
    this.#receives.fail(reason)
    // The promises have told it to who uses only those: an event nobody listens to would end the
    // process.
    const told = !this.#readsStream && !this.#writesStream && this.listenerCount('error') === 0
    this.#io.close(() => {
      callback(told ? null : error)
    })
  }

  #begin(chunks: readonly Buffer[], callback: Callback): void {
    if (!this.#writesStream) {
      this.#writesStream = chunks.some((chunk) => !this.#outgoing.isMessage(chunk))
    }
    this.#idle?.refresh()
    this.#outgoing.write(chunks, (error) => {
      this.#idle?.refresh()
      callback(error)
    })
  }

  #onChunk(data: Buffer): void {
    this.#idle?.refresh()
    this.#identify?.(this)
    if (this.#readsStream) {
      this.push(data)
      return
    }
    this.#kept.push(data)
    this.#receives.service()
    if (this.#receives.length > 0) this.#incoming.read()
  }

  #onEnd(): void {
    this.push(null)
    if (this.#readsStream) return
    this.#receives.service()
    // Lets the stream see its end: the other side ends too, unless half-open is allowed.
    this.resume()
  }

  #receiveNow(): ReceivedPipeMessage | undefined | typeof notYet {
    const data = this.#kept.shift()
    if (data !== undefined) return { data }
    return this.#incoming.ended ? undefined : notYet
  }

  #closedError(): Error {
    return this.#failure ?? new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed')
  }
}

function once<T>(call: (argument: T) => void): (argument: T) => void {
  let called = false
  return (argument) => {
    if (called) return
    called = true
    call(argument)
  }
}
