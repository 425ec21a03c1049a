import { SluiceError, systemError } from '../core/errors.js'
import type { Listener } from '../core/listeners.js'
import { Readiness } from '../core/native.js'
import type { Outbox } from '../transport/outbox.js'
import type { Transport, TransportEvents } from '../transport/transport.js'
import { bufferSizesOf, type BufferSizes } from './connection_options.js'
import { descriptorCargo, type DescriptorCargo } from './descriptor_cargo.js'
import { again, endsConnection, messageTooLong } from './errno.js'
import type { SocketHandle } from './native.js'
import { PeerCredentials } from './peer_credentials.js'
import { end, nothing, SocketReader, type ReadLimits } from './socket_reader.js'
import { SocketWatch } from './socket_watch.js'

// Reads per wake-up, so that one fast peer does not keep the loop from the others.
const readsPerTurn = 8

const defaultLimits: ReadLimits = {}

/** A connected Unix socket, of the type stream or seqpacket. */
export class UnixTransport implements Transport, Listener {
  readonly keepsBoundaries: boolean
  readonly #handle: SocketHandle
  readonly #limits: ReadLimits
  #events: TransportEvents | undefined
  // Made when there is something to read, to wait for or to ask.
  #reader: SocketReader | undefined
  #watch: SocketWatch | undefined
  #peer: PeerCredentials | undefined
  #ref = true
  /** Chunks are wanted. */
  #reading = false
  #awaitsEnd = false
  /** It waits for room in the socket. */
  #blocked: Outbox | undefined
  #bytesWritten = 0
  #open = true

  constructor(handle: SocketHandle, type: 'stream' | 'seqpacket', options: Readonly<ReadLimits>) {
    this.#handle = handle
    this.keepsBoundaries = type === 'seqpacket'
    this.#limits = limitsOf(options)
  }

  attach(events: TransportEvents): void {
    this.#events = events
  }

  get cargo(): typeof descriptorCargo {
    return descriptorCargo
  }

  get peer(): PeerCredentials {
    return (this.#peer ??= new PeerCredentials(this.#handle.peer(), () => {
      const descriptor = this.#handle.descriptor()
      return descriptor < 0 ? undefined : descriptor
    }))
  }

  /** Undefined when it is closed. */
  bufferSizes(): BufferSizes | undefined {
    return this.#handle.descriptor() < 0 ? undefined : bufferSizesOf(this.#handle)
  }

  /** Negative when it is closed. */
  get descriptor(): number {
    return this.#handle.descriptor(true)
  }

  get bytesRead(): number {
    return this.#reader?.bytesRead ?? 0
  }

  get bytesWritten(): number {
    return this.#bytesWritten
  }

  get ref(): boolean {
    return this.#ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
    if (this.#watch !== undefined) this.#watch.ref = ref
  }

  // Reading.

  get mayHaveMore(): boolean {
    return this.#reader?.mayHaveMore === true
  }

  read(): void {
    this.#watchFor(Readiness.readable)
    this.#reading = true
  }

  readNow(): void {
    this.#readChunks(1)
  }

  // eslint-disable-next-line @typescript-eslint/class-literal-property-style -- a field takes memory
  get seesEnd(): boolean {
    return true
  }

  pause(): void {
    this.#reading = false
    if (!this.#awaitsEnd) this.#watch?.remove(Readiness.readable)
  }

  awaitEnd(): void {
    this.#watchFor(Readiness.readable)
    this.#awaitsEnd = true
  }

  /** The watch's call. */
  notify(readiness: number): void {
    if ((readiness & Readiness.writable) !== 0) this.#onWritable()
    // The handle is closed when a listener has destroyed the connection.
    if ((readiness & Readiness.readable) !== 0 && this.#isOpen()) this.#onReadable()
  }

  #onReadable(): void {
    if (this.#reading) this.#readChunks(readsPerTurn)
    else if (this.#awaitsEnd) this.#lookForEnd()
    // To stop watching costs a system call, and a new start often follows: it is done only now.
    else this.#watch?.remove(Readiness.readable)
  }

  #readChunks(most: number): void {
    const reader = (this.#reader ??= new SocketReader(
      this.#handle,
      this.#limits,
      this.keepsBoundaries,
    ))
    for (let reads = 0; reads < most && this.#isOpen(); reads++) {
      const read = reader.read()
      if (read === nothing) return
      if (read === end) {
        this.#foundEnd()
        return
      }
      if (read instanceof Error) {
        this.#events?.lost(read)
        return
      }
      const { descriptors } = reader
      const more = this.#events?.chunk(
        read,
        descriptors.length === 0 ? undefined : reader.takeDescriptors(),
      )
      this.#reading = more === true
      if (!this.#reading || !reader.mayHaveMore) return
    }
  }

  /** Nobody reads: what has come is left where it is, but the end is seen. */
  #lookForEnd(): void {
    const found = this.#handle.atEnd()
    if (found > 0) {
      this.#foundEnd()
    } else if (found < 0) {
      this.#events?.lost(systemError('the connection is lost', 'recvmsg', found))
    } else {
      this.#awaitsEnd = false
      this.#watch?.remove(Readiness.readable)
    }
  }

  /** The watch goes with the socket, which mostly closes now, or when it tells of the end once more. */
  #foundEnd(): void {
    this.#reading = false
    this.#awaitsEnd = false
    this.#events?.end()
  }

  // Writing.

  checkMessage(length: number, hasCargo: boolean): void {
    if (length > 0 || !(hasCargo || this.keepsBoundaries)) return
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      'bytes must not be empty: descriptors need a byte to travel with, and an empty seqpacket ' +
        'message looks like the end',
    )
  }

  /** With the caller's own descriptors, which are not duplicated for this. */
  tryWrite(bytes: Uint8Array, numbers: unknown): number | 'later' {
    const count =
      numbers === undefined
        ? this.#handle.send(bytes, 0, undefined)
        : this.#handle.sendNumbers(bytes, numbers as readonly number[])
    if (count === again) return 'later'
    if (count < 0) {
      const error = writeError(count, bytes)
      if (endsConnection(count)) this.#events?.lost(error)
      throw error
    }
    this.#bytesWritten += count
    return count
  }

  nudge(byte: Buffer): void {
    if (this.#open) this.#handle.send(byte, 0, undefined)
  }

  write(outbox: Outbox): void {
    // The send that waited for room may have been cancelled: the watch would keep the process alive.
    const hasWaited = this.#blocked !== undefined
    this.#writeOn(outbox)
    if (hasWaited && this.#blocked === undefined) this.#watch?.remove(Readiness.writable)
  }

  #writeOn(outbox: Outbox): void {
    this.#blocked = undefined
    while (this.#isOpen() && outbox.next()) {
      const { first } = outbox
      if (this.keepsBoundaries && first.byteLength === 0) {
        outbox.wrote(0) // an empty message would look like the end
        continue
      }
      const count = this.#writeSome(outbox)
      if (count === again) {
        this.#waitForRoom(outbox)
        return
      }
      if (count >= 0) {
        this.#bytesWritten += count
        outbox.wrote(count)
        if (outbox.offset > 0) {
          this.#waitForRoom(outbox)
          return
        }
        continue
      }
      const error = writeError(count, first)
      if (endsConnection(count) || !outbox.refuse(error)) {
        this.#events?.lost(error)
        return
      }
    }
  }

  /** The count, or the negative error number. */
  #writeSome(outbox: Outbox): number {
    const { cargo } = outbox
    if (cargo !== undefined || this.keepsBoundaries) {
      const { descriptors } = (cargo ?? {}) as Partial<DescriptorCargo>
      return this.#handle.send(outbox.first, outbox.offset, descriptors)
    }
    return this.#handle.write(outbox.chunks, outbox.index, outbox.end, outbox.offset)
  }

  #waitForRoom(outbox: Outbox): void {
    this.#blocked = outbox
    try {
      this.#watchFor(Readiness.writable)
    } catch (error) {
      this.#events?.lost(error as Error)
    }
  }

  #onWritable(): void {
    if (this.#blocked === undefined) this.#watch?.remove(Readiness.writable)
    else this.#writeOn(this.#blocked)
  }

  /** Writes never stay under way: the system takes some or none. */
  interruptWrite(): boolean {
    return false
  }

  endWriting(done: () => void): void {
    // A peer that is gone has nothing to be told.
    this.#handle.shutDownWriting()
    done()
  }

  close(): void {
    this.#open = false
    this.#watch?.close()
    this.#blocked = undefined
    this.#reader?.close()
    this.#handle.close()
    this.#events?.closed()
  }

  /** @throws when the system refuses to watch. */
  #watchFor(readiness: number): void {
    if (this.#watch === undefined) {
      this.#watch = new SocketWatch(this.#handle, this)
      this.#watch.ref = this.#ref
    }
    this.#watch.add(readiness)
  }

  /** A function, because listeners may close it between two looks. */
  #isOpen(): boolean {
    return this.#open
  }
}

/** One object for all connections without limits of their own: there may be many. */
function limitsOf(limits: Readonly<ReadLimits>): ReadLimits {
  const { maxDescriptors, maxMessageLength } = limits
  return maxDescriptors === undefined && maxMessageLength === undefined ? defaultLimits : limits
}

function writeError(failure: number, bytes: Uint8Array): SluiceError {
  const error = systemError('cannot write to the connection', 'sendmsg', failure)
  if (failure === messageTooLong) {
    return new SluiceError(
      'ERR_SLUICE_MESSAGE_TOO_LONG',
      `a message of ${String(bytes.byteLength)} bytes is longer than the socket's buffer ` +
        'takes at once (options.sendBufferSize)',
      { cause: error },
    )
  }
  return error
}
