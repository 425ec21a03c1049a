/** Messages that were not handed to the system yet, whatever becomes of the connection meanwhile. */
import { types } from 'node:util'

import { SluiceError } from '../core/errors.js'
import { Operation } from '../core/operation.js'
import { promised, type WaitOptions } from '../core/wait_options.js'

/** One message, and the `send` that waits for it. */
export interface Unsent<T> {
  readonly message: T
  readonly bytes: number
  readonly operation: Operation
  /** Cancels it once it is under way; undefined when it cannot be cancelled. */
  readonly stop: AbortController | undefined
}

export class UnsentMessages<T> {
  readonly #waiting: Unsent<T>[] = []
  readonly #mostMessages: number
  readonly #mostBytes: number
  #bytes = 0

  constructor(mostMessages: number, mostBytes: number) {
    this.#mostMessages = mostMessages
    this.#mostBytes = mostBytes
  }

  get length(): number {
    return this.#waiting.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Settles when the message was handed over, or never will be. */
  add(message: T, options: WaitOptions): Promise<void> {
    const bytes = types.isUint8Array(message) ? message.byteLength : 0
    // One message alone may be longer than that: it could never be sent otherwise.
    const tooMany = this.#bytes + bytes > this.#mostBytes && this.#bytes > 0
    if (tooMany || this.#waiting.length >= this.#mostMessages) {
      return Promise.reject(
        new SluiceError(
          'ERR_SLUICE_QUEUE_FULL',
          `${String(this.#waiting.length)} messages of ${String(this.#bytes)} bytes already wait to be sent`,
        ),
      )
    }
    return promised(() => {
      const isCancellable = options.signal !== undefined || options.timeout !== undefined
      const stop = isCancellable ? new AbortController() : undefined
      const operation = new Operation('send', options, (one, reason) => {
        const index = this.#waiting.findIndex((unsent) => unsent.operation === one)
        // Under way, it is the connection's to say whether it can be taken back.
        if (index < 0) stop?.abort(reason)
        else this.#remove(index)?.operation.reject(reason)
      })
      this.#waiting.push({ message, bytes, operation, stop })
      this.#bytes += bytes
      return operation.promise
    })
  }

  /** The first, which is under way from now on. */
  take(): Unsent<T> | undefined {
    return this.#remove(0)
  }

  fail(reason: unknown): void {
    this.#bytes = 0
    for (const { operation } of this.#waiting.splice(0)) operation.reject(reason)
  }

  #remove(index: number): Unsent<T> | undefined {
    const removed = this.#waiting.splice(index, 1).at(0)
    this.#bytes -= removed?.bytes ?? 0
    return removed
  }
}
