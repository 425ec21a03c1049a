import { checkBytes, checkOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { closed, releaseWhenForgotten } from '../core/forgotten.js'
import {
  LocalConnection,
  type Callback,
  type LocalConnectionOptions,
} from '../core/local_connection.js'
import type { Attachment, Send } from '../core/sends.js'
import { callUserCode } from '../core/user_code.js'
import {
  checkWaitOptions,
  notYet,
  promised,
  timedOut,
  waitOptionNames,
  type WaitOptions,
} from '../core/waiting.js'
import { longestHeader, messageFrame } from './handle_frame.js'
import { HandlePassing } from './handle_passing.js'
import { Incoming } from './incoming.js'
import { closeAll, KeptMessages, type ReceivedPipeMessage } from './kept_messages.js'
import { handleNumbers } from './options.js'
import { Outgoing } from './outgoing.js'
import type { NamedPipePeer } from './peer.js'
import type { PipeIo } from './pipe_io.js'
import type { HandleSource } from './system_handle.js'

export interface NamedPipeConnectionOptions extends LocalConnectionOptions {
  /**
   * Default false. True, on both ends and with `mode: 'message'`: messages can bring handles, to and
   * from processes of the same user. Who lets a process send handles lets it into this one, and the
   * other way round. Peers that are not sluice must know the format of such messages.
   */
  handles?: boolean
  /**
   * Milliseconds that the peer may take, after `end()`, to make room for the next of what was
   * written (a message, or 1 MiB of a stream), or the connection is destroyed with
   * `ERR_SLUICE_TIMEOUT`; default 30,000; 0: no limit. Until then an ending connection keeps the
   * process alive, unless it is unref-ed.
   */
  endTimeout?: number
  /** The longest message that is taken; default 16 MiB. For `mode: 'message'`. */
  maxMessageLength?: number
}

export const connectionOptionNames = [
  'allowHalfOpen',
  'endTimeout',
  'highWaterMark',
  'maxMessageLength',
  'handles',
] as const
const defaultMaxMessageLength = 16 * 2 ** 20
const defaultEndTimeout = 30_000

export interface PipeSendOptions extends WaitOptions {
  /** At most 16. They stay the sender's to close, who may do so as soon as `send` has resolved. */
  handles?: readonly HandleSource[]
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
 * ends the writing side only. `allowHalfOpen` has an effect on these only: a server refuses it
 * elsewhere, and a client, who learns from the pipe what it is, closes at the peer's end all the
 * same.
 *
 * With `mode: 'message'` each write is one message and each chunk that is read is one message,
 * however long. A message without bytes means the end, so empty writes are left out.
 *
 * With `handles: true` messages bring handles. The sender keeps duplicates until the peer has taken
 * them; those that it has not taken are lost when the connection closes. Handles that come while the
 * stream is read are given to the listeners of `'handles'`, just before their message, or closed if
 * there are none.
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
  /** Read for a `receive` that was cancelled meanwhile, or to learn what the peer has taken. */
  readonly #kept = new KeptMessages()
  /** The end came, perhaps after what is kept. */
  #ended = false
  readonly #passing: HandlePassing | undefined
  #identify: (() => Promise<NamedPipePeer>) | undefined
  /** What has come while the peer is being identified. */
  #held: (() => void)[] | undefined
  #peer: NamedPipePeer
  readonly #endTimeout: number
  #endTimer: NodeJS.Timeout | undefined

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
    const { maxMessageLength = defaultMaxMessageLength, handles = false } = options
    this.#endTimeout = options.endTimeout ?? defaultEndTimeout
    const passing = handles ? new HandlePassing(peer.pid) : undefined
    this.#passing = passing
    this.mode = kind.mode
    this.#io = io
    this.#peer = peer
    this.#messageType = kind.messageType
    const longest = maxMessageLength + (handles ? longestHeader : 0)
    const kinds = { messageType: kind.messageType, keepsBoundaries, maxMessageLength: longest }
    this.#incoming = new Incoming(io, kinds, {
      chunk: (data) => {
        this.touch()
        this.#identifyOnce()
        this.#whenIdentified(() => {
          this.#onChunk(data)
        })
      },
      end: () => {
        this.#whenIdentified(() => {
          this.#onEnd()
        })
      },
      failed: (error) => {
        this.destroy(error)
      },
    })
    this.#outgoing = new Outgoing(io, keepsBoundaries, () => {
      this.touch()
      this.#endTimer?.refresh()
    })
    this.#identify = identify
    releaseWhenForgotten(this, 'NamedPipeConnection', () => {
      passing?.close()
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
   * closed; `ERROR_INVALID_HANDLE`); `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL` beyond 1024
   * waiting sends; the signal's reason. With handles also `ERR_SLUICE_HANDLES_LIMIT` when the peer
   * has 64 to take, `ERR_SLUICE_UNTRUSTED_OWNER` when it is another user's, and
   * `ERR_SLUICE_INVALID_STATE` unless the connection was made with `handles: true`.
   */
  send(bytes: Uint8Array, options: PipeSendOptions = {}): Promise<void> {
    checkBytes('bytes', bytes)
    checkOptions(options, ['handles', ...waitOptionNames])
    checkWaitOptions(options)
    const handles = handleNumbers(options.handles)
    const refusal = this.refuseSend(options)
    if (refusal !== undefined) return refusal
    if (bytes.byteLength === 0 && handles.length === 0) return Promise.resolve()
    if (handles.length > 0) return promised(() => this.#sendHandles(bytes, handles, options))
    const framed = this.#passing === undefined ? bytes : messageFrame(0, [], bytes)
    return this.queueSend(framed, undefined, options)
  }

  async #sendHandles(bytes: Uint8Array, handles: number[], options: WaitOptions): Promise<void> {
    const passing = this.#passing
    if (passing === undefined) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'the connection was made without handles: true, which both ends need to send handles',
      )
    }
    const kept = passing.keep(handles, this.#peer)
    // Whether it has taken them is something that only the peer can say.
    this.#readAhead()
    try {
      await this.queueSend(messageFrame(kept.id, kept.handles, bytes), undefined, options)
    } catch (error) {
      passing.drop(kept.id)
      throw error
    }
  }

  /** As of every stream; see `endTimeout` for a peer that does not read. */
  override end(callback?: () => void): this
  override end(chunk: unknown, callback?: () => void): this
  override end(chunk: unknown, encoding?: BufferEncoding, callback?: () => void): this
  override end(...args: unknown[]): this {
    if (this.#endTimeout > 0 && !this.writableEnded && !this.destroyed) {
      this.#endTimer = setTimeout(() => {
        this.destroy(timedOut('end', this.#endTimeout))
      }, this.#endTimeout).unref()
    }
    return super.end(...(args as []))
  }

  #stopEndTimer(): void {
    clearTimeout(this.#endTimer)
    this.#endTimer = undefined
  }

  // The transport's part of LocalConnection.

  /** @internal */
  override _read(): void {
    for (let message; (message = this.#kept.take()) !== undefined;) this.#push(message)
    if (this.#ended) this.push(null)
    else super._read()
  }

  /** @internal */
  override _final(callback: Callback): void {
    if (this.#messageType) {
      this.#outgoing.writeEnd(() => {
        this.#stopEndTimer()
        callback()
      })
      // Nobody may read it, and still it has to be closed when the peer has ended, too.
      if (!this.readsStream && this.#kept.empty) this.#incoming.read()
      return
    }
    this.#stopEndTimer()
    // Everything was written, and stays readable for the peer when this end is closed.
    this.#incoming.finish()
    this.#ended = true
    this.serveReceives()
    this.#io.close(() => {
      this.push(null)
      if (!this.readsStream) this.resume()
      callback()
    })
  }

  protected override get atEnd(): boolean {
    return this.#ended && this.#kept.empty
  }

  protected override get mayHaveMessage(): boolean {
    return !this.#kept.empty
  }

  protected override get referenced(): boolean {
    return this.#io.ref
  }

  protected override set referenced(ref: boolean) {
    this.#io.ref = ref
  }

  protected override startReading(): void {
    if (this.#kept.empty) {
      this.#incoming.read()
    } else {
      setImmediate(() => {
        this.serveReceives()
      })
    }
  }

  protected override stopReading(): void {
    if (!this.#readsAhead) this.#incoming.cancel()
  }

  protected override receiveNow(): ReceivedPipeMessage | undefined | typeof notYet {
    const message = this.#kept.take()
    if (message === undefined) return this.#ended ? undefined : notYet
    if (this.#ended ? this.#kept.empty : this.#readsAhead) {
      // Not before it is handed out: the end can come at once, and would be taken for the message.
      process.nextTick(() => {
        if (this.#ended && this.#kept.empty) this.#atEnd()
        else this.#readAhead()
      })
    }
    return message
  }

  protected override startWriting(chunks: readonly Buffer[], callback: Callback): void {
    this.#outgoing.write(this.#framed(chunks), this.sends, callback)
  }

  protected override cancelSend(send: Send<Attachment>, reason: unknown): void {
    if (!this.#outgoing.cancel(send, reason)) this.sends?.fail(send, reason)
  }

  protected override release(callback: () => void): void {
    closed(this)
    this.#stopEndTimer()
    this.#kept.close()
    this.#held = undefined
    this.#passing?.close()
    this.#outgoing.close()
    this.#io.close(callback)
  }

  /** Where Windows did not tell before the client's first byte who it is. */
  #identifyOnce(): void {
    const identify = this.#identify
    if (identify === undefined) return
    this.#identify = undefined
    // Handles are taken from those only of whom it is known who they are.
    if (this.#passing !== undefined) this.#held = []
    void identify().then((known) => {
      if (this.destroyed) return
      this.#peer = known
      callUserCode(() => this.emit('peer', known))
      const held = this.#held ?? []
      this.#held = undefined
      for (const call of held) this.#whenIdentified(call)
    })
  }

  #whenIdentified(call: () => void): void {
    if (this.#held !== undefined) this.#held.push(call)
    else if (!this.destroyed) call()
  }

  #onChunk(data: Buffer): void {
    let message: ReceivedPipeMessage | undefined
    try {
      message = this.#unpacked(data)
    } catch (error) {
      this.destroy(error as Error)
      return
    }
    if (message !== undefined) {
      if (this.readsStream) {
        this.#push(message)
        return
      }
      this.#kept.add(message)
      this.serveReceives()
    }
    if (this.destroyed) return
    if (this.isReceiving || this.readsStream) this.#incoming.read()
    else this.#readAhead()
  }

  #onEnd(): void {
    this.#ended = true
    if (this.readsStream || this.#kept.empty) this.#atEnd()
  }

  /** Everything that came before was taken. */
  #atEnd(): void {
    if (this.destroyed) return
    this.push(null)
    if (this.readsStream) return
    this.serveReceives()
    // Lets the stream see its end: the other side ends too, unless half-open is allowed.
    this.resume()
  }

  #push({ data, handles }: ReceivedPipeMessage): void {
    callUserCode(() => {
      if (handles.length > 0 && !this.emit('handles', handles)) closeAll(handles)
    })
    // A listener that throws keeps the stream from asking for more by itself.
    if (!callUserCode(() => this.push(data))) this.read(0)
  }

  // With handles.

  #unpacked(bytes: Buffer): ReceivedPipeMessage | undefined {
    if (this.#passing === undefined) return { data: bytes, handles: [] }
    return this.#passing.unpack(bytes, this.#peer, (frame) =>
      // After this side's end its peer learns by the close what it has to close.
      this.writableEnded ? undefined : this.queueSend(frame, undefined, {}),
    )
  }

  get #readsAhead(): boolean {
    return this.#passing?.waits === true && this.#kept.hasRoom
  }

  #readAhead(): void {
    if (this.#readsAhead && !this.destroyed && !this.readsStream) this.#incoming.read()
  }

  /** What is written as a stream are messages too; what stands for a send has no bytes. */
  #framed(chunks: readonly Buffer[]): readonly Buffer[] {
    if (this.#passing === undefined) return chunks
    return chunks.map((chunk) => (chunk.byteLength === 0 ? chunk : messageFrame(0, [], chunk)))
  }
}
