import { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'

import {
  checkBytes,
  checkedBefore,
  checkFunction,
  checkInteger,
  ownOptions,
} from '../core/arguments.js'
import { own } from '../core/own.js'
import { SluiceError } from '../core/errors.js'
import { inNextTurn, mayGoOn, untilNextTurn } from '../core/turn.js'
import { throwLater } from '../core/user_code.js'
import {
  aborted,
  checkWaitOptions,
  timedOut,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import type { ConnectionAddresses, TransportName } from './addresses.js'
import { CargoAnnouncer } from './cargo_announcer.js'
import {
  checkConnectionOptions,
  connectionOptionNames,
  type ConnectionOptions,
  type ConnectionTypes,
  type EndTimeout,
} from './connection_options.js'
import {
  connectionClose,
  connectionError,
  connectionOpen,
  tellOpened,
  type ConnectionCloseMessage,
  type ConnectionErrorMessage,
} from './diagnostics.js'
import type { ConnectionStats } from './connection_stats.js'
import { closeAll, Inbox, type ArrivalTaker } from './inbox.js'
import { Outbox, type Callback, type OutboxOwner } from './outbox.js'
import {
  checkTransport,
  type CargoKind,
  type Closable,
  type Transport,
  type TransportEvents,
} from './transport.js'

/** A listener of any event, as Node declares it. */
type EventListener = Parameters<Duplex['on']>[1]

const defaultHighWaterMark = 65536
const nothingReceived: readonly Closable[] = []
const optionNames = new Map<string, readonly string[]>()

/**
 * A connection between two processes of one machine: a Duplex stream, and messages.
 *
 * The stream behaves as a `net.Socket` does. `send` and `receive` can be used instead: `send` also
 * together with the stream's `write`, in whose order it is; `receive` only as long as nothing reads
 * the stream. Their promises then tell of failures, and an `'error'` event comes only if the stream
 * is used or somebody listens to it.
 *
 * Unix sockets and named pipes make theirs by `connectUnix`, `connectNamedPipe` and their servers. With
 * a {@link Transport} of your own, `new Connection(transport)` has all of it.
 *
 * @example
 * ```ts
 * const [one, other] = socketPair()
 * await one.send(Buffer.from('hello'), { timeout: 1000 })
 * const message = await other.receive({ timeout: 1000 })
 * console.log(message?.data.toString(), 'from process', other.peer.pid)
 *
 * await one.closeWrite()
 * console.log(await other.receive()) // undefined: the end
 * one.close()
 * other.close()
 * ```
 */
export class Connection<Types extends ConnectionTypes = ConnectionTypes> extends Duplex {
  readonly #transport: Transport
  // Made when there is the first: most connections are idle, and there may be many.
  #inbox: Inbox<Types['message']> | undefined
  #taker: ArrivalTaker | undefined
  /** For a receive that may only look in the next turn. */
  #wantsLater: (() => void) | undefined
  #outbox: Outbox | undefined
  #announcer: CargoAnnouncer | undefined
  /** Calls of `closeWrite` that wait. */
  #finishes: WaitQueue | undefined
  #readsStream = false
  #writesStream = false
  /** The stream's reader has asked for more than there is, and got nothing. */
  #hungry = false
  /** The peer has ended. */
  #ended = false
  /** Why it was closed. */
  #failure: unknown
  #idle: NodeJS.Timeout | undefined
  #idleMs: number | undefined
  readonly #endTimeout: number
  #endTimer: NodeJS.Timeout | undefined
  /** The callback for when the transport has closed. */
  #closing: (() => void) | undefined
  #addresses: ConnectionAddresses | undefined
  /** Told by a server that counts its connections; see `Server`. */
  #left: { left(connection: Connection): void } | undefined

  /**
   * A connection over a transport of your own: see {@link Transport}, which has an example.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`, also for a transport that lacks a member.
   */
  constructor(transport: Transport, options?: Readonly<ConnectionOptions & EndTimeout>)
  /** @internal */
  constructor(
    transport: Transport,
    options: Readonly<ConnectionOptions & EndTimeout>,
    // eslint-disable-next-line @typescript-eslint/unified-signatures -- this one is not public
    checked: typeof checkedBefore,
  )
  constructor(
    transport: Transport,
    options: Readonly<ConnectionOptions & EndTimeout> = {},
    checked?: symbol,
  ) {
    if (checked !== checkedBefore) {
      checkTransport(transport)
      options = ownOptions(options, connectionOptionNames)
      checkConnectionOptions(options)
    }
    const { allowHalfOpen = false, highWaterMark = defaultHighWaterMark, endTimeout = 0 } = options
    super(
      own({
        allowHalfOpen,
        emitClose: false, // it is emitted with its argument, as by net.Socket
        writableHighWaterMark: highWaterMark,
        ...(transport.keepsBoundaries
          ? { readableObjectMode: true }
          : { readableHighWaterMark: highWaterMark }),
      }),
    )
    this.#transport = transport
    this.#endTimeout = endTimeout
    transport.attach(new Connection.#Events(this))
    if (connectionOpen.hasSubscribers) tellOpened(this)
  }

  /** The process at the other end; known also after the end. */
  get peer(): Types['peer'] {
    return this.#transport.peer
  }

  /** The scheme of its addresses; undefined unless `connect` or a server of `listen` made it. */
  get transport(): TransportName | undefined {
    return this.#addresses?.transport
  }

  /**
   * The address at this end, as `connect` and `listen` take it: undefined where it has none, such as
   * that of a client of a Unix socket, and unless `connect` or a server of `listen` made it.
   */
  get localAddress(): string | undefined {
    return this.#addresses?.localAddress
  }

  /** The address at the other end; otherwise like `localAddress`. */
  get remoteAddress(): string | undefined {
    return this.#addresses?.remoteAddress
  }

  /** Bytes that have come so far. */
  get bytesRead(): number {
    return this.#transport.bytesRead
  }

  /** Bytes that the system has taken; `net.Socket` counts what it keeps itself as well. */
  get bytesWritten(): number {
    return this.#transport.bytesWritten
  }

  /**
   * Counts of now, and since the connection was made; also after its end.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * one.write('hello')
   * const waiting = other.receive()
   * console.log(one.stats().bytesWritten, other.stats().waitingReceives) // 5 1
   * await waiting
   * for (const each of [one, other]) each.close()
   * ```
   */
  stats(): ConnectionStats {
    return {
      bytesRead: this.bytesRead,
      bytesWritten: this.bytesWritten,
      waitingSends: this.#outbox?.waiting ?? 0,
      waitingReceives: this.#inbox?.waiting ?? 0,
      queuedBytes: this.writableLength,
      unreadBytes: this.#transport.keepsBoundaries ? 0 : this.readableLength,
      blockedMs: this.#outbox?.blockedMs ?? 0,
    }
  }

  /**
   * Sends the bytes as a whole, with what goes beside them attached to the first; resolves when the
   * system has them all. The bytes must not change until then.
   *
   * A send that is cancelled before its first byte has gone leaves nothing behind. If some bytes have
   * gone already, or the system has the message and does not give it back, the send completes all the
   * same, or the connection is destroyed: the peer could not make sense of what follows.
   *
   * @throws (rejects) `EPIPE`, `ECONNRESET`; `ERR_SLUICE_CLOSED`; `ERR_SLUICE_MESSAGE_TOO_LONG`
   * (seqpacket); `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting sends; the
   * signal's reason.
   */
  send(bytes: Uint8Array, options?: Types['sendOptions']): Promise<void> {
    checkBytes('bytes', bytes)
    const kind = this.#transport.cargo
    options = ownOptions(options, kind === undefined ? waitOptionNames : sendOptionNames(kind))
    checkWaitOptions(options)
    const cargo = kind?.check((options as Record<string, unknown>)[kind.name])
    this.#transport.checkMessage?.(bytes.byteLength, cargo !== undefined)
    const { signal } = options
    if (signal?.aborted === true) return aborted(signal)
    if (this.destroyed || this.writableEnded) return this.#rejectClosed()
    if (this.#outbox?.full !== undefined) return Promise.reject(this.#outbox.full)
    if (bytes.byteLength === 0 && cargo === undefined) return Promise.resolve()
    try {
      return this.#sendNow(bytes, cargo, options)
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  /**
   * The next message of a connection that keeps boundaries; of a stream, the bytes that are there
   * (on a Unix socket up to where the kernel keeps those with descriptors apart). Undefined at the
   * end. A `receive` that is cancelled loses nothing: the next one gets the message.
   *
   * @throws (rejects) `ECONNRESET`; `ERR_SLUICE_CLOSED`;
   * `ERR_SLUICE_INVALID_STATE` when the stream is being read; `ERR_SLUICE_MESSAGE_TOO_LONG` and, on
   * a Unix socket, `ERR_SLUICE_FDS_LIMIT` and `ERR_SLUICE_FDS_TRUNCATED`, after which the connection
   * is destroyed; `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting receives; the
   * signal's reason.
   */
  receive(options?: WaitOptions): Promise<Types['message'] | undefined> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#readsStream) return Promise.reject(readAsStream('is being'))
    const inbox = (this.#inbox ??= this.#newInbox())
    if (inbox.atEnd) return Promise.resolve(undefined)
    if (this.destroyed) return this.#rejectClosed()
    if (inbox.isReceiving) return inbox.receive(options)
    if (!mayGoOn()) {
      // Always finding something at once would keep the event loop from all others.
      const later = inbox.receive(options)
      inNextTurn(
        (this.#wantsLater ??= () => {
          // What is there already needs no watch, which the system may refuse.
          if (inbox.isReceiving && inbox.empty) this.#lookForMessage(true)
          this.#wantMessage(inbox)
        }),
      )
      return later
    }
    if (inbox.empty) {
      this.#lookForMessage(options.timeout !== undefined)
      if (this.#isDestroyed()) return this.#rejectClosed()
    }
    const message = inbox.take()
    if (message !== notYet) {
      if (inbox.empty) this.#transport.allTaken?.()
      if (this.writableFinished) this.#watchForEnd()
      return Promise.resolve(message)
    }
    const promise = inbox.receive(options)
    this.#wantMessage(inbox)
    return promise
  }

  /**
   * Ends the writing side, when everything before is written. The peer sees the end; on transports
   * that have no half-close the connection closes.
   *
   * @throws (rejects) what the connection failed with, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, the
   * signal's reason. The side is ended all the same.
   */
  closeWrite(options: WaitOptions = {}): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.writableFinished) return Promise.resolve()
    if (this.destroyed) return this.#rejectClosed()
    const finishes = (this.#finishes ??= this.#newFinishes())
    const promise = finishes.add(
      'closeWrite',
      () => (this.writableFinished ? undefined : notYet),
      options,
    )
    this.end()
    return promise
  }

  /** Closes at once: what was not written is lost. For a graceful close use `end()`. Idempotent. */
  close(): void {
    this.destroy()
  }

  /**
   * Closes at once, and says why to the operations that wait: they are rejected with the reason. No
   * `'error'` event follows. Default: `ERR_SLUICE_CLOSED`.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * const waiting = one.receive().catch((error: unknown) => console.error(error))
   * one.abort(new Error('no longer wanted'))
   * await waiting
   * other.close()
   * ```
   */
  abort(reason?: unknown): void {
    if (this.destroyed) return
    this.#failure = reason
    this.destroy()
  }

  /** Closes the connection at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.destroy()
  }

  /** The connection keeps the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /**
   * The connection no longer keeps the process alive.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * one.unref() // the process may end, though it waits for more
   * one.ref() // and again not
   * one.close()
   * other.close()
   * ```
   */
  unref(): this {
    return this.#setRef(false)
  }

  /**
   * Emits `'timeout'` when nothing was read or written for so many milliseconds; 0: never. The
   * connection stays as it is: it is the listener's business what to do.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * one.setTimeout(30_000, () => one.destroy(new Error('nothing has come for 30 s')))
   * one.setTimeout(0)
   * one.close()
   * other.close()
   * ```
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

  /**
   * The connection as two streams of the Web.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * one.end('hello')
   * for await (const chunk of other.toWeb().readable) console.log(chunk)
   * ```
   */
  toWeb(): { readable: ReadableStream; writable: WritableStream } {
    return Duplex.toWeb(this)
  }

  // Called by code that was written for net.Socket, such as Node's HTTP.

  /** Milliseconds of `setTimeout`; undefined when there are none. */
  get timeout(): number | undefined {
    return this.#idleMs
  }

  /** Always false: a connection is made connected. `net.Socket` has it, too. */
  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- a field takes memory
  get connecting(): boolean {
    return false
  }

  /** Always false, likewise. */
  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- a field takes memory
  get pending(): boolean {
    return false
  }

  /** The sides that are open, as `net.Socket` tells them. */
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

  // The stream's side.

  /**
   * A listener of `'close'` or `'end'` of a connection that nobody has read is told of the peer's end,
   * unless bytes lie there unread, and keeps the process alive: as with net.Socket. After a `receive` the
   * end is told by the next `receive`. Not on transports that would have to read for it,
   * such as named pipes: what they read is then kept here, and the peer no longer held back.
   */
  override on(event: string | symbol, listener: EventListener): this {
    super.on(event, listener)
    const isOfEnd = event === 'close' || event === 'end'
    if (isOfEnd && this.#transport.seesEnd === true && this.#inbox === undefined) this.#awaitEnd()
    return this
  }

  override addListener(event: string | symbol, listener: EventListener): this {
    return this.on(event, listener)
  }

  /** @internal */
  override read(size?: number): unknown {
    if (this.#announcer?.letGo(size) === true) this.#readMore()
    const chunk: unknown = super.read(size)
    if (chunk !== null) this.#announcer?.remind()
    if (size !== 0) this.#hungry = chunk === null // 0: the stream itself, which reads ahead
    return chunk
  }

  /** @internal */
  override _read(): void {
    if (!this.#readsStream) {
      this.#readsStream = true
      this.#inbox?.fail(readAsStream('began to be'))
    }
    this.#readMore()
  }

  override write(
    chunk: unknown,
    encoding?: BufferEncoding | ((error: Error | null | undefined) => void),
    callback?: (error: Error | null | undefined) => void,
  ): boolean {
    this.#outbox?.separate()
    return super.write(chunk, encoding as BufferEncoding, callback)
  }

  /** @internal */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#writeChunks([chunk], callback)
  }

  /** @internal */
  override _writev(items: { chunk: Buffer }[], callback: Callback): void {
    this.#writeChunks(
      items.map(({ chunk }) => chunk),
      callback,
    )
  }

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

  /** @internal */
  override _final(callback: Callback): void {
    this.#transport.endWriting(() => {
      this.#stopEndTimer()
      // Nobody may read it, and still it has to be closed when the peer has ended, too.
      callback(this.#awaitEnd())
    })
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#stopEndTimer()
    this.#failure ??= error ?? undefined
    if (connectionError.hasSubscribers && this.#failure !== undefined) {
      const message: ConnectionErrorMessage = { connection: this, error: this.#failure }
      connectionError.publish(message)
    }
    // The promises have told it to users of those alone: an event nobody listens to would end the
    // process.
    const told = !this.#readsStream && !this.#writesStream && this.listenerCount('error') === 0
    this.#closing = () => {
      callback(told ? null : error)
      process.nextTick(() => this.emit('close', error !== null))
    }
    this.#announcer?.close()
    this.#inbox?.close()
    this.#transport.close()
    this.#taker?.closed(error)
    // Errors are dear, and mostly nobody waits.
    if (this.#inbox?.isReceiving === true) this.#inbox.fail(this.#closedReason())
    if (this.#outbox?.idle === false) this.#outbox.failAll(this.#closedReason())
  }

  #newFinishes(): WaitQueue {
    const finishes = new WaitQueue(() => undefined)
    finishes.ref = this.#transport.ref
    this.once('finish', () => {
      finishes.service()
    })
    this.once('close', () => {
      finishes.fail(this.#closedReason())
    })
    return finishes
  }

  // Receiving.

  #newInbox(): Inbox<Types['message']> {
    const { cargo } = this.#transport
    const inbox = new Inbox<Types['message']>(
      ({ data, received }) => cargo?.message(data, received) ?? { data },
      () => {
        this.#nobodyWaits()
      },
      () => {
        this.#reachEnd()
      },
      this.#transport.ref,
    )
    if (this.#ended) inbox.end()
    return inbox
  }

  #lookForMessage(certainly: boolean): void {
    const { mayHaveMore } = this.#transport
    if (certainly || mayHaveMore === true) this.#transport.readNow?.()
  }

  #wantMessage(inbox: Inbox<Types['message']>): void {
    inbox.serve()
    if (!inbox.isReceiving || this.destroyed) return
    try {
      this.#transport.read()
    } catch (error) {
      inbox.fail(error)
    }
  }

  #nobodyWaits(): void {
    if (this.#readsStream || this.destroyed) return
    this.#transport.pause()
    if (this.writableFinished) this.#watchForEnd()
  }

  /** Null, or why the peer's end cannot be awaited. */
  #awaitEnd(): Error | null {
    const nobodyReads = !this.#readsStream && this.#inbox?.isReceiving !== true
    if (!nobodyReads || this.#ended || this.destroyed || this.#inbox?.empty === false) return null
    try {
      this.#transport.awaitEnd()
      return null
    } catch (error) {
      return error as Error
    }
  }

  /** A connection whose end would never be seen is lost. */
  #watchForEnd(): void {
    const failure = this.#awaitEnd()
    if (failure !== null) this.destroy(failure)
  }

  /** The stream wants more. */
  #readMore(): void {
    for (;;) {
      if (this.#announcer?.isHolding === true || this.destroyed) return
      const arrival = this.#inbox?.takeArrival()
      if (arrival === undefined) break
      if (!this.#push(arrival.data, arrival.received)) return
    }
    if (this.#ended) {
      this.#reachEnd()
      return
    }
    this.#readOn()
  }

  /** A connection that cannot be read is lost. */
  #readOn(): void {
    try {
      this.#transport.read()
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  #onChunk(data: Buffer, received: readonly Closable[]): boolean {
    if (this.destroyed) {
      closeAll(received)
      return false
    }
    this.#idle?.refresh()
    if (this.#taker !== undefined) return this.#taker.take({ data, received })
    if (this.#readsStream && this.#announcer?.isHolding !== true) return this.#push(data, received)
    const inbox = (this.#inbox ??= this.#newInbox())
    inbox.keep({ data, received })
    if (this.#readsStream) return false
    inbox.serve()
    const more = inbox.isReceiving
    if (!more && this.writableFinished) this.#watchForEnd()
    return more
  }

  /** Whether the stream wants more. */
  #push(data: Buffer, received: readonly Closable[]): boolean {
    const hungry = this.#hungry
    this.#hungry = false
    try {
      if (received.length === 0) return this.push(data)
      this.#announcer ??= new CargoAnnouncer(this, this.#transport.cargo?.name ?? 'cargo')
      return this.#announcer.take({ data, received }, hungry)
    } catch (error) {
      // A listener that throws stops neither the others of this turn nor the stream.
      throwLater(error)
      return !this.destroyed
    }
  }

  #onEnd(): void {
    if (this.#ended || this.destroyed) return
    this.#ended = true
    if (this.#taker !== undefined) {
      this.#taker.ended()
      return
    }
    this.#inbox?.end()
    if (this.#inbox?.empty !== false && this.#announcer?.isHolding !== true) this.#reachEnd()
  }

  /** Everything that came before the end was taken. */
  #reachEnd(): void {
    if (this.destroyed) return
    this.push(null)
    if (this.#readsStream) return
    this.#inbox?.serve()
    // Lets the stream see its end: the other side ends too, unless half-open is allowed.
    this.resume()
  }

  // Sending.

  /** By a call of its own when nothing is before it, which is the usual case; or in the queue. */
  #sendNow(bytes: Uint8Array, cargo: unknown, options: WaitOptions): Promise<void> {
    const direct = this.#transport.tryWrite !== undefined && this.#writesNothing()
    const count = direct ? (this.#transport.tryWrite?.(bytes, cargo) ?? 'later') : 'later'
    if (count === 'later') return this.#queueSend(bytes, cargo, options, false)
    this.#idle?.refresh()
    if (count < bytes.byteLength) {
      return this.#queueSend(bytes.subarray(count), undefined, options, true)
    }
    return mayGoOn() ? Promise.resolve() : untilNextTurn()
  }

  /** Nothing is before what would be written now. */
  #writesNothing(): boolean {
    return this.writableLength === 0 && this.writableCorked === 0 && (this.#outbox?.idle ?? true)
  }

  /** In the stream's own queue, so that it is in order with `write`. */
  #queueSend(
    bytes: Uint8Array,
    cargo: unknown,
    options: WaitOptions,
    started: boolean,
  ): Promise<void> {
    const kept = cargo === undefined ? undefined : this.#transport.cargo?.keep(cargo)
    const outbox = (this.#outbox ??= this.#newOutbox())
    try {
      return outbox.add(bytes, kept, started, options, (marker) => super.write(marker))
    } catch (error) {
      kept?.settled(false)
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  #newOutbox(): Outbox {
    return new Outbox(new Connection.#Events(this), this.#transport.ref)
  }

  #progressed(): void {
    this.#idle?.refresh()
    this.#endTimer?.refresh()
  }

  #emptied(): void {
    const callback = this.#outbox?.takeCallback()
    // Not at once: what else is written in this turn then goes in one call.
    if (callback !== undefined) process.nextTick(callback)
  }

  #proceed(): void {
    if (!this.destroyed && this.#outbox !== undefined) this.#transport.write(this.#outbox)
  }

  #writeChunks(chunks: readonly Buffer[], callback: Callback): void {
    const outbox = (this.#outbox ??= this.#newOutbox())
    this.#writesStream ||= outbox.hasChunks(chunks)
    this.#idle?.refresh()
    outbox.load(chunks, callback)
    this.#transport.write(outbox)
    outbox.given()
  }

  // The end.

  #onClosed(): void {
    const closing = this.#closing
    this.#closing = undefined
    closing?.()
    this.#left?.left(this)
    this.#left = undefined
    if (connectionClose.hasSubscribers) {
      const { bytesRead, bytesWritten } = this
      const message: ConnectionCloseMessage = { connection: this, bytesRead, bytesWritten }
      connectionClose.publish(message)
    }
  }

  #stopEndTimer(): void {
    clearTimeout(this.#endTimer)
    this.#endTimer = undefined
  }

  #closedReason(): Error {
    return (this.#failure ??
      new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed')) as Error
  }

  #rejectClosed(): Promise<never> {
    return Promise.reject(this.#closedReason())
  }

  #setRef(ref: boolean): this {
    if (!this.destroyed) this.#transport.ref = ref
    if (this.#inbox !== undefined) this.#inbox.ref = ref
    if (this.#outbox !== undefined) this.#outbox.ref = ref
    if (this.#finishes !== undefined) this.#finishes.ref = ref
    return this
  }

  /** A function, because listeners may destroy it between two looks. */
  #isDestroyed(): boolean {
    return this.destroyed
  }

  /**
   * For a server: `left` is called once, when the connection has closed.
   *
   * @internal
   */
  static whenClosed(
    connection: Connection,
    listener: { left(connection: Connection): void },
  ): void {
    if (connection.closed) listener.left(connection)
    else connection.#left = listener
  }

  /**
   * Bytes that a handshake has received, and that are not its own, are the next to be received.
   *
   * @internal
   */
  static putBack(connection: Connection, data: Buffer): void {
    const inbox = (connection.#inbox ??= connection.#newInbox())
    inbox.putBack({ data, received: nothingReceived })
  }

  /**
   * For its maker: says where the connection leads, once.
   *
   * @internal
   */
  static describe<Described extends Connection>(
    connection: Described,
    addresses: ConnectionAddresses,
  ): Described {
    connection.#addresses = addresses
    return connection
  }

  /**
   * For what comes before the user's own bytes: at most so many of those that have come; the rest stays for
   * `receive` or the stream. Undefined at the end. Rejects as `receive`.
   *
   * @internal
   */
  static receiveBytes(
    connection: Connection,
    most: number,
    options: WaitOptions,
  ): Promise<Buffer | undefined> {
    if (connection.#readsStream) return Promise.reject(readAsStream('is being'))
    if (connection.destroyed) return connection.#rejectClosed()
    const inbox = (connection.#inbox ??= connection.#newInbox())
    const promise = inbox.receiveBytes(most, options)
    connection.#wantMessage(inbox)
    if (inbox.empty && !inbox.isReceiving) connection.#transport.allTaken?.()
    return promise
  }

  /**
   * Hands arrivals to the taker from here on, at once and without a promise for each; first those that have come
   * already and that nobody has taken. No `receive` may wait.
   *
   * @internal
   */
  static giveTo(connection: Connection, taker: ArrivalTaker): void {
    connection.#taker = taker
    let mayCome = true
    for (let kept; (kept = connection.#inbox?.takeArrival()) !== undefined;)
      mayCome = taker.take(kept)
    if (connection.destroyed) taker.closed(connection.#failure as Error | null)
    else if (connection.#ended) taker.ended()
    else if (mayCome) connection.#readOn()
  }

  /**
   * The taker, which had said that it wants no more for now, goes on.
   *
   * @internal
   */
  static takeMore(connection: Connection): void {
    if (!connection.destroyed) connection.#readOn()
  }

  /**
   * Writes a byte that tells the peer to look, unless something waits to be written or the system has no room: a
   * hostile peer makes nothing grow. A failure is not told here. The reading side finds the end by itself, behind
   * all that has come before it.
   *
   * @internal
   */
  static nudge(connection: Connection, byte: Buffer): void {
    if (connection.destroyed || connection.writableEnded || !connection.#writesNothing()) return
    connection.#transport.nudge?.(byte)
  }

  /**
   * Whether something has come that nobody has taken.
   *
   * @internal
   */
  static hasUnread(connection: Connection): boolean {
    return connection.readableLength > 0 || connection.#inbox?.empty === false
  }

  /**
   * The error of operations on a connection that is closed.
   *
   * @internal
   */
  static closedReason(connection: Connection): Error {
    return connection.#closedReason()
  }

  /** The calls of the transport and the outbox, out of the users' sight. */
  static readonly #Events = class implements TransportEvents, OutboxOwner {
    readonly #connection: Connection

    constructor(connection: Connection) {
      this.#connection = connection
    }

    chunk(data: Buffer, received: readonly Closable[] = nothingReceived): boolean {
      return this.#connection.#onChunk(data, received)
    }

    end(): void {
      this.#connection.#onEnd()
    }

    lost(error: Error): void {
      this.#connection.destroy(error)
    }

    identified(): void {
      this.#connection.emit('peer', this.#connection.peer)
    }

    closed(): void {
      this.#connection.#onClosed()
    }

    progressed(): void {
      this.#connection.#progressed()
    }

    emptied(): void {
      this.#connection.#emptied()
    }

    proceed(): void {
      this.#connection.#proceed()
    }

    interrupt(): boolean {
      const connection = this.#connection
      return !connection.destroyed && connection.#transport.interruptWrite()
    }
  }
}

function sendOptionNames({ name }: CargoKind): readonly string[] {
  let names = optionNames.get(name)
  if (names === undefined) {
    names = [name, ...waitOptionNames]
    optionNames.set(name, names)
  }
  return names
}

function readAsStream(how: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_INVALID_STATE',
    `the connection ${how} read as a stream; use either that or receive`,
  )
}
