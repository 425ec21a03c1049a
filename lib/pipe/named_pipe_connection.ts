import { checkBytes, checkOptions } from '../core/arguments.js'
import { closed, releaseWhenForgotten } from '../core/forgotten.js'
import {
  LocalConnection,
  type Callback,
  type LocalConnectionOptions,
} from '../core/local_connection.js'
import type { Attachment, Send } from '../core/sends.js'
import { checkWaitOptions, notYet, waitOptionNames, type WaitOptions } from '../core/waiting.js'
import { Incoming } from './incoming.js'
import { Outgoing } from './outgoing.js'
import type { NamedPipePeer } from './peer.js'
import type { PipeIo } from './pipe_io.js'

export interface NamedPipeConnectionOptions extends LocalConnectionOptions {
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
export class NamedPipeConnection extends LocalConnection<ReceivedPipeMessage> {
  readonly mode: 'byte' | 'message'
  readonly #io: PipeIo
  readonly #messageType: boolean
  readonly #incoming: Incoming
  readonly #outgoing: Outgoing
  /** Read for a `receive` that was cancelled meanwhile. */
  readonly #kept: Buffer[] = []
  readonly #identify: ((connection: NamedPipeConnection) => void) | undefined
  #peer: NamedPipePeer

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
    const keepsBoundaries = kind.mode === 'message'
    super(keepsBoundaries, options)
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

  override get bytesRead(): number {
    return this.#incoming.bytesRead
  }

  override get bytesWritten(): number {
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
    const refusal = this.refuseSend(options)
    if (refusal !== undefined) return refusal
    if (bytes.byteLength === 0) return Promise.resolve()
    return this.queueSend(bytes, undefined, options)
  }

  // The transport's part of LocalConnection.

  /** @internal */
  override _read(): void {
    for (const data of this.#kept.splice(0)) this.push(data)
    super._read()
  }

  /** @internal */
  override _final(callback: Callback): void {
    if (this.#messageType) {
      this.#outgoing.writeEnd(callback)
      // Nobody may read it, and still it has to be closed when the peer has ended, too.
      if (!this.readsStream && this.#kept.length === 0) this.#incoming.read()
      return
    }
    // Everything was written, and stays readable for the peer when this end is closed.
    this.#io.close(() => {
      this.push(null)
      if (!this.readsStream) this.resume()
      callback()
    })
  }

  protected override get atEnd(): boolean {
    return this.#incoming.ended && this.#kept.length === 0
  }

  protected override get mayHaveMessage(): boolean {
    return this.#kept.length > 0
  }

  protected override get referenced(): boolean {
    return this.#io.ref
  }

  protected override set referenced(ref: boolean) {
    this.#io.ref = ref
  }

  protected override startReading(): void {
    if (this.#kept.length === 0) {
      this.#incoming.read()
    } else {
      setImmediate(() => {
        this.serveReceives()
      })
    }
  }

  protected override stopReading(): void {
    this.#incoming.cancel()
  }

  protected override receiveNow(): ReceivedPipeMessage | undefined | typeof notYet {
    const data = this.#kept.shift()
    if (data !== undefined) return { data }
    return this.#incoming.ended ? undefined : notYet
  }

  protected override startWriting(chunks: readonly Buffer[], callback: Callback): void {
    this.#outgoing.write(chunks, this.sends, (error) => {
      this.touch()
      callback(error)
    })
  }

  protected override cancelSend(send: Send<Attachment>, reason: unknown): void {
    if (!this.#outgoing.cancel(send, reason)) this.sends?.fail(send, reason)
  }

  protected override release(callback: () => void): void {
    closed(this)
    this.#outgoing.close()
    this.#io.close(callback)
  }

  #onChunk(data: Buffer): void {
    this.touch()
    this.#identify?.(this)
    if (this.readsStream) {
      this.push(data)
      return
    }
    this.#kept.push(data)
    this.serveReceives()
    if (this.isReceiving) this.#incoming.read()
  }

  #onEnd(): void {
    this.push(null)
    if (this.readsStream) return
    this.serveReceives()
    // Lets the stream see its end: the other side ends too, unless half-open is allowed.
    this.resume()
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
