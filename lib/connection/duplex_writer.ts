import type { Duplex } from 'node:stream'

import { ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { Operation } from '../core/operation.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { maxWaiting, queueFull } from '../core/wait_queue.js'

interface Write {
  readonly operation: Operation
  /** Undefined: the end. */
  readonly bytes: Uint8Array | undefined
  /** The stream has it. */
  given: boolean
}

/**
 * Sends over a stream that has no `send` of its own: each is given to the stream only when that takes
 * more, so that one which is cancelled before leaves nothing behind.
 */
export class DuplexWriter {
  readonly #stream: Duplex
  readonly #writes: Write[] = []
  #blocked = false

  constructor(stream: Duplex) {
    this.#stream = stream
    stream.on('drain', () => {
      this.#blocked = false
      this.#goOn()
    })
  }

  send(bytes: Uint8Array | undefined, options: WaitOptions): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#stream.writable) return Promise.reject(closedError())
    if (this.#writes.length >= maxWaiting) return Promise.reject(queueFull('sends'))
    const what = bytes === undefined ? 'closeWrite' : 'send'
    const operation = new Operation(what, options, (_, reason) => {
      this.#cancel(write, reason)
    })
    const write: Write = { operation, bytes, given: false }
    this.#writes.push(write)
    this.#goOn()
    return operation.promise
  }

  fail(reason: Error | undefined): void {
    for (const { operation } of this.#writes.splice(0)) operation.reject(reason ?? closedError())
  }

  #goOn(): void {
    for (let i = 0; i < this.#writes.length && !this.#blocked; i++) {
      const write = this.#writes[i]
      if (!write.given) this.#give(write)
    }
  }

  #give(write: Write): void {
    write.given = true
    const done = (error?: Error | null) => {
      if (!this.#remove(write)) return
      if (error === undefined || error === null) write.operation.resolve()
      else write.operation.reject(error)
    }
    if (write.bytes === undefined) this.#stream.end(done)
    else this.#blocked = !this.#stream.write(write.bytes, done)
  }

  #cancel(write: Write, reason: unknown): void {
    if (!this.#remove(write)) return
    write.operation.reject(reason)
    if (!write.given || write.bytes === undefined) return
    const message = 'a send was cancelled that the stream had already'
    this.#stream.destroy(new SluiceError('ERR_SLUICE_CLOSED', message, { cause: reason }))
  }

  #remove(write: Write): boolean {
    const index = this.#writes.indexOf(write)
    if (index >= 0) this.#writes.splice(index, 1)
    return index >= 0
  }
}

export function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed')
}
