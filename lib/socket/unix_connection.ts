import { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'

import { checkBytes, checkFunction, checkInteger, checkOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { closed, closerOf, releaseWhenForgotten } from '../core/forgotten.js'
import { native } from '../core/native.js'
import type { SocketHandle } from '../core/native_sockets.js'
import {
  aborted,
  checkWaitOptions,
  maxWaiting,
  notYet,
  WaitQueue,
  waitOptionNames,
  type WaitOptions,
} from '../core/waiting.js'
import { Readiness } from '../core/watches.js'
import {
  checkConnectionOptions,
  connectionOptionNames,
  defaultMaxDescriptors,
  defaultMaxMessageLength,
  setBufferSizes,
  type ConnectionOptions,
} from './connection_options.js'
import { checkDescriptor, descriptorNumber, type DescriptorSource } from './file_descriptor.js'
import { end, Incoming, nothing, type ReceivedMessage } from './incoming.js'
import { Outgoing, type Progress } from './outgoing.js'
import { descriptorNumbers, duplicateAll } from './outgoing_descriptors.js'
import { PeerCredentials } from './peer_credentials.js'
import { requireSockets } from './platform.js'
import { SendOperation } from './send_operation.js'
import { SocketWatch } from './socket_watch.js'

export interface SendOptions extends WaitOptions {
  /** At most 253; each is duplicated at the call and stays the caller's to close. */
  fds?: readonly DescriptorSource[]
}

type Callback = (error?: Error | null) => void

// Reads per wake-up, so that one fast peer does not keep the loop from the others.
const readsPerTurn = 8

/**
 * A connection over a Unix socket: a Duplex stream, and messages with descriptors.
 *
 * As a stream it behaves as a `net.Socket` does. `send` and `receive` can be used instead: `send`
 * also together with the stream's `write`, in whose order it is; `receive` only as long as nothing
 * reads the stream. What fails then is told by their promises, and an `'error'` event comes only if
 * the stream is used or somebody listens to it.
 *
 * A descriptor that comes while the stream is read is given to the listeners of `'fds'`, just before
 * the chunk that it came with; without a listener it is closed. On a seqpacket connection each chunk
 * is one message.
 *
 * Sources: unix(7), recvmsg(2).
 */
export class UnixConnection extends Duplex {
  readonly type: 'stream' | 'seqpacket'
  readonly #handle: SocketHandle
  readonly #watch: SocketWatch
  readonly #incoming: Incoming
  readonly #outgoing: Outgoing
  /** `receive`s that wait, and `send`s that are under way; made when there is the first. */
  #receives: WaitQueue | undefined
  #sends: Set<SendOperation> | undefined
  #peer: PeerCredentials | undefined
  /** Of the stream's chunks that are being written. */
  #written: Callback | undefined
  #readsStream = false
  #writesStream = false
  /** The stream wants more. */
  #reading = false
  #ended = false
  #failure: Error | undefined
  #idle: NodeJS.Timeout | undefined

  /** @internal */
  constructor(
    handle: SocketHandle,
    type: 'stream' | 'seqpacket',
    options: Readonly<ConnectionOptions>,
  ) {
    const { allowHalfOpen = false, highWaterMark = 65536 } = options
    const keepsBoundaries = type === 'seqpacket'
    super({
      allowHalfOpen,
      writableHighWaterMark: highWaterMark,
      // A stream of bytes would put messages together.
      ...(keepsBoundaries
        ? { readableObjectMode: true }
        : { readableHighWaterMark: highWaterMark }),
    })
    const { maxDescriptors = defaultMaxDescriptors } = options
    const { maxMessageLength = defaultMaxMessageLength } = options
    this.type = type
    this.#handle = handle
    this.#watch = new SocketWatch(handle, (readiness) => {
      if ((readiness & Readiness.writable) !== 0) this.#onWritable()
      if ((readiness & Readiness.readable) !== 0 && !this.destroyed) this.#onReadable()
    })
    this.#incoming = new Incoming(handle, { maxDescriptors, maxMessageLength }, keepsBoundaries)
    this.#outgoing = new Outgoing(handle, keepsBoundaries)
    releaseWhenForgotten(this, 'UnixConnection', closerOf(handle))
  }

  /**
   * A connection of a connected socket that was inherited or received. The descriptor is duplicated
   * and stays the caller's to close.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_SYSTEM`: `EBADF`, `ENOTSOCK`.
   */
  static fromFd(fd: DescriptorSource, options: ConnectionOptions = {}): UnixConnection {
    requireSockets()
    const number = descriptorNumber('fd', fd)
    checkDescriptor('fd', number)
    checkOptions(options, connectionOptionNames)
    checkConnectionOptions(options)
    const { handle, type } = native.socketFromDescriptor(number, 'connection')
    try {
      setBufferSizes(handle, options)
    } catch (error) {
      handle.close()
      throw error
    }
    return new UnixConnection(handle, type === 'seqpacket' ? type : 'stream', options)
  }

  /** Who was at the other end when the connection was made; also after its end. */
  get peer(): PeerCredentials {
    return (this.#peer ??= new PeerCredentials(this.#handle.peer(), () => {
      const descriptor = this.#handle.descriptor()
      return descriptor < 0 ? undefined : descriptor
    }))
  }

  /** The descriptor, to look at or to send; it stays the connection's to close. */
  get fd(): number {
    this.#requireOpen()
    return this.#handle.descriptor()
  }

  get bytesRead(): number {
    return this.#incoming.bytesRead
  }

  get bytesWritten(): number {
    return this.#outgoing.bytesWritten
  }

  /**
   * Sends the bytes as a whole, with descriptors attached to the first of them; resolves when the
   * kernel has them all. The bytes must not change until then.
   *
   * A send that is cancelled before its first byte has gone leaves nothing behind. If some bytes
   * have gone already, the connection is destroyed: the peer could not make sense of what follows.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`; `ERR_SLUICE_SYSTEM` (`EPIPE`, `ECONNRESET`, `EBADF` for a
   * descriptor that is not open, `ETOOMANYREFS`); `ERR_SLUICE_MESSAGE_TOO_LONG` (seqpacket);
   * `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL` beyond 1024 waiting sends; the signal's reason.
   */
  send(bytes: Uint8Array, options: SendOptions = {}): Promise<void> {
    checkBytes('bytes', bytes)
    checkOptions(options, ['fds', ...waitOptionNames])
    checkWaitOptions(options)
    const numbers = descriptorNumbers(options.fds)
    if (bytes.byteLength === 0 && (numbers.length > 0 || this.type === 'seqpacket')) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        'bytes must not be empty: descriptors need a byte to travel with, and an empty seqpacket ' +
          'message looks like the end',
      )
    }
    if (options.signal?.aborted === true) return aborted(options.signal)
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
    let operation: SendOperation
    try {
      operation = new SendOperation(
        duplicateAll(numbers),
        options,
        (reason) => {
          this.#cancelSend(operation, reason)
        },
        () => this.#sends?.delete(operation),
      )
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
    this.#sends ??= new Set()
    this.#sends.add(operation)
    this.#outgoing.addMessage(chunk, operation)
    this.write(chunk)
    return operation.promise
  }

  /**
   * What comes next: a message of a seqpacket connection; of a stream, the bytes that are there, up
   * to where the kernel keeps those with descriptors apart. Undefined at the end.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`; `ERR_SLUICE_SYSTEM` (`ECONNRESET`);
   * `ERR_SLUICE_INVALID_STATE` when the stream is being read; `ERR_SLUICE_FDS_LIMIT`,
   * `ERR_SLUICE_FDS_TRUNCATED`, `ERR_SLUICE_MESSAGE_TOO_LONG`, after which the connection is
   * destroyed; `ERR_SLUICE_TIMEOUT`; `ERR_SLUICE_QUEUE_FULL`; the signal's reason.
   */
  receive(options: WaitOptions = {}): Promise<ReceivedMessage | undefined> {
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
    if (this.#ended) return Promise.resolve(undefined)
    if (this.destroyed) return Promise.reject(this.#closedError())
    const queue = this.#receiveQueue()
    const first = queue.length === 0
    const promise = queue.add('receive', () => this.#receiveNow(), options)
    // Otherwise the watch says when there is something; a look now would mostly be in vain.
    if (first && (this.#incoming.mayHaveMore || options.timeout !== undefined)) queue.service()
    if (queue.length > 0) this.#watch.add(Readiness.readable)
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

  /** Waiting keeps the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /** Waiting no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false)
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
      this.#receives?.fail(
        new SluiceError('ERR_SLUICE_INVALID_STATE', 'the connection began to be read as a stream'),
      )
    }
    this.#reading = true
    this.#watch.add(Readiness.readable)
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
    // A peer that is gone has nothing to be told.
    this.#handle.shutDownWriting()
    callback()
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    closed(this)
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#failure = error ?? undefined
    this.#watch.close()
    this.#incoming.close()
    this.#handle.close()
    if (
      this.#written !== undefined ||
      (this.#receives?.length ?? 0) > 0 ||
      (this.#sends?.size ?? 0) > 0
    ) {
      this.#failWaiting(this.#closedError())
    }
    // The promises have told it to who uses only those: an event nobody listens to would end the
    // process.
    const told = !this.#readsStream && !this.#writesStream && this.listenerCount('error') === 0
    callback(told ? null : error)
  }

  #failWaiting(reason: Error): void {
    this.#receives?.fail(reason)
    for (const operation of this.#sends ?? []) operation.fail(reason)
    this.#written?.(reason)
    this.#written = undefined
  }

  #onReadable(): void {
    if (this.#receives !== undefined && this.#receives.length > 0) {
      this.#receives.service()
      return
    }
    if (!this.#reading) {
      this.#watch.remove(Readiness.readable)
      return
    }
    for (let reads = 0; reads < readsPerTurn; reads++) {
      const read = this.#incoming.read()
      if (read === nothing) return
      if (read === end) {
        this.#atEnd()
        return
      }
      if (read instanceof Error) {
        this.destroy(read)
        return
      }
      this.#idle?.refresh()
      this.#announceDescriptors()
      // A listener may have destroyed it.
      if (this.destroyed) return
      this.#reading = this.push(read)
      if (!this.#reading || !this.#incoming.mayHaveMore || this.destroyed) return
    }
  }

  #onWritable(): void {
    const callback = this.#written
    if (callback === undefined) {
      this.#watch.remove(Readiness.writable)
      return
    }
    this.#idle?.refresh()
    const progress = this.#outgoing.proceed()
    if (progress === 'blocked') return
    this.#written = undefined
    callback(progress === 'done' ? null : progress)
  }

  #begin(chunks: readonly Buffer[], callback: Callback): void {
    if (!this.#writesStream) {
      this.#writesStream = chunks.some((chunk) => !this.#outgoing.isMessage(chunk))
    }
    this.#idle?.refresh()
    const progress: Progress = this.#outgoing.start(chunks)
    if (progress === 'done') {
      // Not at once: what else is written in this turn then goes in one call.
      process.nextTick(callback)
    } else if (progress === 'blocked') {
      this.#written = callback
      this.#watch.add(Readiness.writable)
    } else {
      callback(progress)
    }
  }

  #receiveQueue(): WaitQueue {
    if (this.#receives === undefined) {
      const queue = new WaitQueue(() => {
        if (queue.length === 0) this.#watch.remove(Readiness.readable)
      })
      queue.ref = this.#watch.ref
      this.#receives = queue
    }
    return this.#receives
  }

  #receiveNow(): ReceivedMessage | undefined | typeof notYet {
    if (this.#ended) return undefined
    const read = this.#incoming.read()
    if (read === nothing) return notYet
    if (read === end) {
      this.#atEnd()
      // Lets the stream see its end: the other side ends too, unless half-open is allowed.
      this.resume()
      return undefined
    }
    if (read instanceof Error) {
      this.destroy(read)
      throw read
    }
    this.#idle?.refresh()
    return { data: read, fds: this.#incoming.takeDescriptors() }
  }

  #announceDescriptors(): void {
    if (this.#incoming.descriptors.length === 0) return
    const descriptors = this.#incoming.takeDescriptors()
    if (!this.emit('fds', descriptors)) {
      for (const descriptor of descriptors) descriptor.close()
    }
  }

  #atEnd(): void {
    this.#ended = true
    this.#reading = false
    this.push(null)
  }

  #cancelSend(operation: SendOperation, reason: unknown): void {
    if (operation.started) {
      operation.fail(reason)
      this.destroy(
        new SluiceError('ERR_SLUICE_CLOSED', 'a send was cancelled in the middle of its bytes', {
          cause: reason,
        }),
      )
      return
    }
    operation.cancelled = true
    operation.fail(reason)
    // It may be the one that waits for the socket to become writable.
    if (this.#written !== undefined) this.#onWritable()
  }

  #closedError(): Error {
    return this.#failure ?? new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed')
  }

  #requireOpen(): void {
    if (this.destroyed) throw this.#closedError()
  }

  #setRef(ref: boolean): this {
    this.#watch.ref = ref
    if (this.#receives !== undefined) this.#receives.ref = ref
    return this
  }
}
