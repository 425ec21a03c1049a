import { SluiceError, systemError } from '../core/errors.js'
import type { OutgoingDescriptors, SocketHandle } from '../core/native_sockets.js'
import { again, endsConnection, messageTooLong } from './errno.js'

/** A `send`: bytes that go as a whole, with what is attached to the first of them. */
export interface Message {
  readonly descriptors: OutgoingDescriptors | undefined
  /** Some of it has gone, so that it must go on. */
  started: boolean
  cancelled: boolean
  /** All of it has gone. */
  sent(): void
  /** It cannot go, and nothing of it has; the connection goes on. */
  refused(error: Error): void
}

const none: readonly Uint8Array[] = []

export type Progress = 'done' | 'blocked' | Error

/** What a connection has to write: chunks of the stream, some of which are messages, in order. */
export class Outgoing {
  readonly #handle: SocketHandle
  readonly #keepsBoundaries: boolean
  /** Made when there is the first: most connections have none, and many are idle. */
  #messages: Map<Uint8Array, Message> | undefined
  #chunks: readonly Uint8Array[] = none
  #index = 0
  #offset = 0
  bytesWritten = 0

  constructor(handle: SocketHandle, keepsBoundaries: boolean) {
    this.#handle = handle
    this.#keepsBoundaries = keepsBoundaries
  }

  get messageCount(): number {
    return this.#messages?.size ?? 0
  }

  /** The chunk is a message, once it is its turn. */
  addMessage(chunk: Uint8Array, message: Message): void {
    this.#messages ??= new Map()
    this.#messages.set(chunk, message)
  }

  isMessage(chunk: Uint8Array): boolean {
    return this.#messages?.has(chunk) === true
  }

  /** The next chunks, when those before are done. */
  start(chunks: readonly Uint8Array[]): Progress {
    this.#chunks = chunks
    this.#index = 0
    this.#offset = 0
    return this.proceed()
  }

  /** Writes as much as goes. */
  proceed(): Progress {
    while (this.#index < this.#chunks.length) {
      const chunk = this.#chunks[this.#index]
      const message = this.#messages?.get(chunk)
      const progress =
        message !== undefined || this.#keepsBoundaries
          ? this.#sendOne(chunk, message)
          : this.#writeMany()
      if (progress !== 'done') return progress
    }
    this.#chunks = none
    return 'done'
  }

  #sendOne(chunk: Uint8Array, message: Message | undefined): Progress {
    if (message?.cancelled === true) {
      this.#next(chunk)
      return 'done'
    }
    const count = this.#handle.send(chunk, this.#offset, message?.descriptors)
    if (count === again) return 'blocked'
    if (count < 0) return this.#failed(count, chunk, message)
    this.bytesWritten += count
    this.#offset += count
    if (this.#offset < chunk.byteLength) {
      if (message !== undefined) message.started = true
      return 'blocked'
    }
    this.#next(chunk)
    message?.sent()
    return 'done'
  }

  #failed(failure: number, chunk: Uint8Array, message: Message | undefined): Progress {
    const error =
      failure === messageTooLong
        ? new SluiceError(
            'ERR_SLUICE_MESSAGE_TOO_LONG',
            `a message of ${String(chunk.byteLength)} bytes is longer than the socket's buffer ` +
              'takes at once (options.sendBufferSize)',
            { syscall: 'sendmsg', errno: failure },
          )
        : systemError('cannot write to the connection', 'sendmsg', failure)
    const refusedOnly = message !== undefined && !message.started && !endsConnection(failure)
    if (!refusedOnly) return error
    this.#next(chunk)
    message.refused(error)
    return 'done'
  }

  #writeMany(): Progress {
    const end = this.#endOfPlainChunks()
    const count = this.#handle.write(this.#chunks, this.#index, end, this.#offset)
    if (count === again) return 'blocked'
    if (count < 0) return systemError('cannot write to the connection', 'sendmsg', count)
    this.bytesWritten += count
    let left = count + this.#offset
    while (this.#index < end) {
      const length = this.#chunks[this.#index].byteLength
      if (left < length) break
      left -= length
      this.#index++
    }
    this.#offset = this.#index < end ? left : 0
    return this.#index < end ? 'blocked' : 'done'
  }

  #endOfPlainChunks(): number {
    if (this.#messages === undefined || this.#messages.size === 0) return this.#chunks.length
    for (let index = this.#index + 1; index < this.#chunks.length; index++) {
      if (this.#messages.has(this.#chunks[index])) return index
    }
    return this.#chunks.length
  }

  #next(chunk: Uint8Array): void {
    this.#messages?.delete(chunk)
    this.#index++
    this.#offset = 0
  }
}
