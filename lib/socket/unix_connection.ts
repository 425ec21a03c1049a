import type { Duplex } from 'node:stream'

import { checkBytes, checkOptions } from '../core/arguments.js'
import { SluiceError, systemError } from '../core/errors.js'
import { LeftOpen } from '../core/forgotten.js'
import { LocalConnection, type Callback } from '../core/local_connection.js'
import { native } from './native.js'
import type { OutgoingDescriptors, SocketHandle } from './native.js'
import { cutShort, type Send } from '../core/sends.js'
import { mayGoOn, untilNextTurn } from '../core/turn.js'
import { checkWaitOptions, notYet, waitOptionNames, type WaitOptions } from '../core/waiting.js'
import { Readiness } from '../core/native.js'
import {
  checkConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type ConnectionOptions,
} from './connection_options.js'
import {
  checkDescriptor,
  descriptorNumber,
  type DescriptorSource,
  type FileDescriptor,
} from './file_descriptor.js'
import { DescriptorAnnouncer } from './descriptor_announcer.js'
import { end, Incoming, nothing, type ReceivedMessage } from './incoming.js'
import { Outgoing } from './outgoing.js'
import { descriptorNumbers, duplicateAll } from './outgoing_descriptors.js'
import { PeerCredentials } from './peer_credentials.js'
import { requireSockets } from './native.js'
import { SocketWatch } from './socket_watch.js'

export interface SendOptions extends WaitOptions {
  /** At most 253; each is duplicated at the call and stays the caller's to close. */
  fds?: readonly DescriptorSource[]
}

// Reads per wake-up, so that one fast peer does not keep the loop from the others.
const readsPerTurn = 8

const forgotten = new LeftOpen<SocketHandle>(
  (handle) => (handle.descriptor() < 0 ? undefined : 'UnixConnection'),
  (handle) => {
    handle.close()
  },
)

// Of any event, as Node declares it.
type Listener = Parameters<Duplex['on']>[1]

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the types of the events
export interface UnixConnection {
  on(event: 'fds', listener: (fds: FileDescriptor[]) => void): this
  on(event: string | symbol, listener: Listener): this
  once(event: 'fds', listener: (fds: FileDescriptor[]) => void): this
  once(event: string | symbol, listener: Listener): this
}

/**
 * A connection over a Unix socket: a Duplex stream, and messages with descriptors.
 *
 * As a stream it behaves as a `net.Socket` does. `send` and `receive` can be used instead: `send`
 * also together with the stream's `write`, in whose order it is; `receive` only as long as nothing
 * reads the stream. What fails then is told by their promises, and an `'error'` event comes only if
 * the stream is used or somebody listens to it.
 *
 * A descriptor that comes while the stream is read is given to the listeners of `'fds'`, just before
 * the chunk that it came with, whether that is taken by `'data'`, `read` or `for await`; without a
 * listener it is closed. On a seqpacket connection each chunk is one message, and up to 16 of them
 * are read ahead.
 *
 * Nothing is read before it is asked for, so that `receive` can be used: who does neither notices
 * only after `end()` that the peer has gone. `resume()` notices it at once.
 *
 * Sources: unix(7), recvmsg(2).
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- likewise
export class UnixConnection extends LocalConnection<ReceivedMessage, OutgoingDescriptors> {
  readonly type: 'stream' | 'seqpacket'
  readonly #handle: SocketHandle
  readonly #watch: SocketWatch
  readonly #options: Readonly<ConnectionOptions>
  // Made when there is something to read or to write.
  #incoming: Incoming | undefined
  #outgoing: Outgoing | undefined
  #peer: PeerCredentials | undefined
  /** Of the stream's chunks that wait for room. */
  #blocked: Callback | undefined
  /** The stream wants more. */
  #reading = false
  #ended = false
  /** The stream's reader has asked for more than there is, and got nothing. */
  #hungry = false
  /** Made when the first descriptors come for the stream's reader. */
  #announcer: DescriptorAnnouncer | undefined

  /** @internal */
  constructor(
    handle: SocketHandle,
    type: 'stream' | 'seqpacket',
    options: Readonly<ConnectionOptions>,
  ) {
    super(type === 'seqpacket', options)
    this.type = type
    this.#handle = handle
    this.#options = options
    this.#watch = new SocketWatch(handle, this)
    forgotten.register(this, handle)
  }

  /**
   * A connection of a connected socket that was inherited or received. The descriptor is duplicated
   * and stays the caller's to close; the open file behind both, and behind other duplicates in other
   * processes, is made non-blocking.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_SYSTEM`: `EBADF`, `ENOTSOCK`, `ENOTCONN`.
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
    return new UnixConnection(handle, type === 'seqpacket' ? type : 'stream', { ...options })
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
    if (this.destroyed) throw this.closedError()
    return this.#handle.descriptor()
  }

  override get bytesRead(): number {
    return this.#incoming?.bytesRead ?? 0
  }

  override get bytesWritten(): number {
    return this.#outgoing?.bytesWritten ?? 0
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
    const refusal = this.refuseSend(options)
    if (refusal !== undefined) return refusal
    if (bytes.byteLength === 0) return Promise.resolve()
    try {
      return this.#sendNow(bytes, numbers, options)
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
      return Promise.reject(error)
    }
  }

  /** By a call of its own when nothing is before it, which is the usual case; or in the queue. */
  #sendNow(bytes: Uint8Array, numbers: readonly number[], options: WaitOptions): Promise<void> {
    if (!this.writesNothing || this.#blocked !== undefined) {
      return this.queueSend(bytes, duplicateAll(numbers), options)
    }
    const result = this.#out().sendAtOnce(bytes, numbers)
    if (result === 'blocked') return this.queueSend(bytes, duplicateAll(numbers), options)
    if (result instanceof Error) {
      if (!this.#out().failed) throw result
      this.destroy(result)
      return Promise.reject(result)
    }
    this.touch()
    if (result < bytes.byteLength) {
      return this.queueSend(bytes.subarray(result), undefined, options, true)
    }
    return mayGoOn() ? Promise.resolve() : untilNextTurn()
  }

  // The transport's part of LocalConnection.

  /** @internal */
  override _final(callback: Callback): void {
    // A peer that is gone has nothing to be told.
    this.#handle.shutDownWriting()
    // Nobody may read it, and still it has to be closed when the peer has ended, too.
    if (!this.#ended && !this.readsStream) this.#watch.add(Readiness.readable)
    callback()
  }

  /** @internal */
  override read(size?: number): unknown {
    if (this.#announcer?.letGo(size) === true) this.startReading()
    const chunk: unknown = super.read(size)
    if (chunk !== null) this.#announcer?.remind()
    if (size !== 0) this.#hungry = chunk === null // 0: the stream itself, which reads ahead
    return chunk
  }

  protected override get atEnd(): boolean {
    return this.#ended
  }

  protected override get mayHaveMessage(): boolean {
    return this.#incoming?.mayHaveMore === true
  }

  protected override get referenced(): boolean {
    return this.#watch.ref
  }

  protected override set referenced(ref: boolean) {
    this.#watch.ref = ref
  }

  protected override startReading(): void {
    if (this.#announcer?.isHolding === true) return
    this.#reading = this.readsStream
    this.#watch.add(Readiness.readable)
  }

  protected override stopReading(): void {
    // After `end()` the peer's is waited for.
    if (!this.writableEnded) this.#watch.remove(Readiness.readable)
  }

  protected override receiveNow(): ReceivedMessage | undefined | typeof notYet {
    if (this.#ended) return undefined
    const incoming = this.#in()
    const read = incoming.read()
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
    this.touch()
    return { data: read, fds: incoming.takeDescriptors() }
  }

  protected override startWriting(chunks: readonly Buffer[], callback: Callback): void {
    const progress = this.#out().start(chunks, this.sends)
    if (progress === 'done') {
      // Not at once: what else is written in this turn then goes in one call.
      process.nextTick(callback)
    } else if (progress === 'blocked') {
      this.#blocked = callback
      this.#watch.add(Readiness.writable)
    } else {
      callback(progress)
    }
  }

  protected override cancelSend(send: Send<OutgoingDescriptors>, reason: unknown): void {
    if (send.started) {
      this.sends?.fail(send, reason)
      this.destroy(cutShort(reason))
      return
    }
    this.sends?.fail(send, reason)
    // It may be the one that waits for the socket to become writable.
    if (this.#blocked !== undefined) this.#onWritable()
  }

  protected override release(callback: () => void): void {
    this.#watch.close()
    this.#incoming?.close()
    this.#announcer?.close()
    this.#handle.close()
    const blocked = this.#blocked
    this.#blocked = undefined
    if (blocked !== undefined) blocked(this.closedError())
    callback()
  }

  /** @internal */
  notify(readiness: number): void {
    if ((readiness & Readiness.writable) !== 0) this.#onWritable()
    if ((readiness & Readiness.readable) !== 0 && !this.destroyed) this.#onReadable()
  }

  #in(): Incoming {
    return (this.#incoming ??= new Incoming(this.#handle, this.#options, this.type === 'seqpacket'))
  }

  #out(): Outgoing {
    return (this.#outgoing ??= new Outgoing(this.#handle, this.type === 'seqpacket'))
  }

  #onReadable(): void {
    if (this.isReceiving) {
      this.serveReceives()
      return
    }
    if (!this.#reading) {
      this.#lookForEnd()
      return
    }
    const incoming = this.#in()
    for (let reads = 0; reads < readsPerTurn && this.#isOpen(); reads++) {
      const read = incoming.read()
      if (read === nothing) return
      if (read === end) {
        this.#atEnd()
        return
      }
      if (read instanceof Error) {
        this.destroy(read)
        return
      }
      this.touch()
      const wantsMore = this.#take(read, incoming.takeDescriptors())
      if (!this.#isOpen()) return
      this.#reading = wantsMore
      if (!wantsMore || !incoming.mayHaveMore) return
    }
  }

  /** Nobody reads. */
  #lookForEnd(): void {
    const waitsForEnd = this.writableFinished && !this.#ended
    const found = waitsForEnd && this.#announcer?.isHolding !== true ? this.#handle.atEnd() : 0
    if (found === 0) {
      this.#watch.remove(Readiness.readable)
    } else if (found < 0) {
      this.destroy(systemError('the connection is lost', 'recvmsg', found))
    } else {
      this.#atEnd()
      this.resume()
    }
  }

  #onWritable(): void {
    const callback = this.#blocked
    if (callback === undefined) {
      this.#watch.remove(Readiness.writable)
      return
    }
    this.touch()
    const progress = this.#out().proceed()
    if (progress === 'blocked') return
    this.#blocked = undefined
    callback(progress === 'done' ? null : progress)
  }

  /** Whether the stream wants more. */
  #take(data: Buffer, fds: FileDescriptor[]): boolean {
    const hungry = this.#hungry
    this.#hungry = false
    if (fds.length === 0) return this.push(data)
    this.#announcer ??= new DescriptorAnnouncer(this)
    return this.#announcer.take({ data, fds }, hungry)
  }

  #atEnd(): void {
    this.#ended = true
    this.#reading = false
    this.push(null)
  }

  /** A function, because listeners may destroy it between two looks. */
  #isOpen(): boolean {
    return !this.destroyed
  }
}
