import { SluiceError, systemError } from '../core/errors.js'
import { native } from './native.js'
import type { SocketHandle } from './native.js'
import { defaultMaxDescriptors, defaultMaxMessageLength } from './connection_options.js'
import { again } from './errno.js'
import { FileDescriptor } from './file_descriptor.js'
import { ReadFlags, Result, results } from './results.js'
import { slab } from './slab.js'

/**
 * A message of a {@link UnixConnection}, or what there was of a stream up to where the kernel keeps
 * descriptors apart.
 */
export interface ReceivedUnixMessage {
  /** The bytes of the message, the receiver's own. */
  data: Buffer
  /** The descriptors that came with it; they are the receiver's to close. */
  fds: FileDescriptor[]
}

export interface ReadLimits {
  /** Descriptors with one message. */
  maxDescriptors?: number
  /** Bytes of one message of a seqpacket or datagram socket. */
  maxMessageLength?: number
}

const smallestRead = 8192
const largestRead = 131072

/** The results of a read other than bytes. */
export const end = Symbol('end')
export const nothing = Symbol('nothing')

// Shared by all that have none; never added to.
const none: FileDescriptor[] = []

/** The reading side of a socket. */
export class SocketReader {
  readonly #handle: SocketHandle
  readonly #keepsBoundaries: boolean
  readonly #maxDescriptors: number
  readonly #maxMessageLength: number
  /** Bytes to ask for with the next read of a stream. */
  #wanted = smallestRead
  bytesRead = 0
  /** The descriptors that came with the bytes that were read last, until somebody takes them. */
  descriptors: FileDescriptor[] = none
  /** Whether there may be more: the kernel had at least as much as was asked for. */
  mayHaveMore = false

  constructor(handle: SocketHandle, limits: ReadLimits, keepsBoundaries: boolean) {
    this.#handle = handle
    this.#keepsBoundaries = keepsBoundaries
    this.#maxDescriptors = limits.maxDescriptors ?? defaultMaxDescriptors
    this.#maxMessageLength = limits.maxMessageLength ?? defaultMaxMessageLength
  }

  /** Never throws: an Error means that the connection is lost. */
  read(): Buffer | typeof end | typeof nothing | SluiceError {
    let room: number
    if (this.#keepsBoundaries) {
      const length = this.#handle.nextLength()
      if (length < 0) return this.#failed(length)
      room = Math.max(Math.min(length, this.#maxMessageLength), 1)
      slab.room(room)
    } else {
      room = slab.room(this.#wanted)
    }
    const count = this.#handle.read(slab.buffer, slab.offset, room)
    if (count < 0) return this.#failed(count)
    if (results[Result.descriptors] !== 0 || results[Result.flags] !== 0) {
      const error = this.#takeDescriptors()
      if (error !== undefined) return error
    }
    if (count === 0) return end
    if (count > room) return Buffer.alloc(0) // an empty message
    this.bytesRead += count
    this.mayHaveMore = this.#keepsBoundaries || count === room || this.descriptors.length > 0
    if (!this.#keepsBoundaries) this.#adapt(count, room)
    return slab.take(count)
  }

  takeDescriptors(): FileDescriptor[] {
    const taken = this.descriptors
    if (taken.length === 0) return []
    this.descriptors = none
    return taken
  }

  close(): void {
    if (this.descriptors.length === 0) return
    for (const descriptor of this.takeDescriptors()) descriptor.close()
  }

  #failed(failure: number): typeof nothing | SluiceError {
    if (failure !== again) return systemError('cannot read from the connection', 'recvmsg', failure)
    this.mayHaveMore = false
    return nothing
  }

  /** Asks for more when what was asked for came, and for less when it did not. */
  #adapt(count: number, room: number): void {
    if (count === room) this.#wanted = Math.min(room * 2, largestRead)
    else if (count < this.#wanted >> 2) this.#wanted = Math.max(this.#wanted >> 1, smallestRead)
  }

  #takeDescriptors(): SluiceError | undefined {
    const flags = results[Result.flags]
    const count = results[Result.descriptors]
    const tooMany = count > this.#maxDescriptors
    if (count > 0 && !tooMany) this.descriptors = []
    for (let i = 0; i < count; i++) {
      const number = results[Result.firstNumber + i]
      if (tooMany) native.closeDescriptor(number)
      else this.descriptors.push(new FileDescriptor(number))
    }
    if (tooMany) {
      return new SluiceError(
        'ERR_SLUICE_FDS_LIMIT',
        `${String(count)} descriptors came with one message, and the limit is ` +
          `${String(this.#maxDescriptors)} (options.maxDescriptors)`,
      )
    }
    if ((flags & ReadFlags.descriptorsLost) !== 0) {
      return new SluiceError(
        'ERR_SLUICE_FDS_TRUNCATED',
        'descriptors of the peer were lost: this process may not open that many (ulimit -n)',
      )
    }
    if ((flags & ReadFlags.messageCut) !== 0) {
      return new SluiceError(
        'ERR_SLUICE_MESSAGE_TOO_LONG',
        `a message of the peer is longer than ${String(this.#maxMessageLength)} bytes ` +
          '(options.maxMessageLength)',
      )
    }
    return undefined
  }
}
