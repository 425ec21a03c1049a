import { SluiceError, systemError } from '../core/errors.js'
import type { OutgoingDescriptors, SocketHandle } from './native.js'
import type { Sends } from '../core/sends.js'
import { again, endsConnection, messageTooLong } from './errno.js'

const none: readonly Uint8Array[] = []

export type Progress = 'done' | 'blocked' | Error

/** What a connection has to write: chunks of the stream, some of which are `send`s, in order. */
export class Outgoing {
  readonly #handle: SocketHandle
  readonly #keepsBoundaries: boolean
  #sends: Sends<OutgoingDescriptors> | undefined
  #chunks: readonly Uint8Array[] = none
  #index = 0
  #offset = 0
  bytesWritten = 0
  /** The connection is lost, and not only what was sent. */
  failed = false

  constructor(handle: SocketHandle, keepsBoundaries: boolean) {
    this.#handle = handle
    this.#keepsBoundaries = keepsBoundaries
  }

  /** Past the queue, which must be empty: how many bytes went. */
  sendAtOnce(bytes: Uint8Array, descriptors: readonly number[]): number | 'blocked' | Error {
    const count =
      descriptors.length === 0
        ? this.#handle.send(bytes, 0, undefined)
        : this.#handle.sendNumbers(bytes, descriptors)
    if (count === again) return 'blocked'
    if (count < 0) return this.#error(count, bytes)
    this.bytesWritten += count
    return count
  }

  /** The next chunks, when those before are done. */
  start(chunks: readonly Uint8Array[], sends: Sends<OutgoingDescriptors> | undefined): Progress {
    this.#sends = sends
    this.#chunks = chunks
    this.#index = 0
    this.#offset = 0
    return this.proceed()
  }

  /** Writes as much as goes. */
  proceed(): Progress {
    while (this.#index < this.#chunks.length) {
      const chunk = this.#chunks[this.#index]
      const progress = this.#sends?.isMarker(chunk)
        ? this.#sendAll(chunk, this.#sends)
        : this.#keepsBoundaries
          ? this.#writeMessage(chunk)
          : this.#writeMany()
      if (progress !== 'done') return progress
    }
    this.#chunks = none
    return 'done'
  }

  #sendAll(marker: Uint8Array, sends: Sends<OutgoingDescriptors>): Progress {
    for (;;) {
      const send = sends.next(marker)
      if (send === undefined) break
      const count = this.#handle.send(send.bytes, this.#offset, send.attachment)
      if (count === again) return 'blocked'
      if (count < 0) {
        const error = this.#error(count, send.bytes)
        if (send.started || this.failed) return error
        sends.fail(send, error)
        continue
      }
      this.bytesWritten += count
      this.#offset += count
      if (this.#offset < send.bytes.byteLength) {
        send.started = true
        return 'blocked'
      }
      this.#offset = 0
      sends.sent(send)
    }
    this.#index++
    return 'done'
  }

  #writeMessage(chunk: Uint8Array): Progress {
    // An empty message would look like the end.
    if (chunk.byteLength > 0) {
      const count = this.#handle.send(chunk, 0, undefined)
      if (count === again) return 'blocked'
      if (count < 0) return this.#error(count, chunk)
      this.bytesWritten += count
    }
    this.#index++
    return 'done'
  }

  #error(failure: number, chunk: Uint8Array): Error {
    if (failure === messageTooLong) {
      return new SluiceError(
        'ERR_SLUICE_MESSAGE_TOO_LONG',
        `a message of ${String(chunk.byteLength)} bytes is longer than the socket's buffer ` +
          'takes at once (options.sendBufferSize)',
        { syscall: 'sendmsg', errno: failure },
      )
    }
    this.failed = endsConnection(failure)
    return systemError('cannot write to the connection', 'sendmsg', failure)
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
    const sends = this.#sends
    if (sends === undefined) return this.#chunks.length
    for (let index = this.#index + 1; index < this.#chunks.length; index++) {
      if (sends.isMarker(this.#chunks[index])) return index
    }
    return this.#chunks.length
  }
}
