import { checkOptions } from './arguments.js'
import { SluiceError } from './errors.js'
import { untilClosed } from './until_closed.js'
import {
  aborted,
  checkWaitOptions,
  notYet,
  waitOptionNames,
  WaitQueue,
  type WaitOptions,
} from './waiting.js'

/** What servers on one machine have in common: connections that are accepted one by one. */
export abstract class LocalServer<Connection extends { destroy(): void }> {
  readonly #accepts = new WaitQueue(() => {
    this.acceptsChanged()
  })
  /** Those that nobody has accepted yet. */
  readonly #pool: Connection[] = []
  readonly #signal: AbortSignal | undefined
  readonly #abort = () => {
    this.close()
  }
  #open = true

  /** @internal `signal` closes the server when it aborts. */
  protected constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    signal?.addEventListener('abort', this.#abort)
  }

  get closed(): boolean {
    return !this.#open
  }

  /**
   * The next connection. One whose `accept` was cancelled is kept for the next `accept`.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL` beyond 1024
   * waiting accepts, the signal's reason.
   */
  accept(options: WaitOptions = {}): Promise<Connection> {
    checkOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#open) return Promise.reject(this.closedError())
    const first = this.#accepts.length === 0
    const promise = this.#accepts.add('accept', () => this.#take(), options)
    if (first) {
      if (this.#pool.length === 0) this.look(options.timeout !== undefined)
      this.#accepts.service()
    }
    this.acceptsChanged()
    return promise
  }

  /** The connections, until the server is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<Connection, void, void> {
    return untilClosed(
      () => this.closed,
      () => this.accept(),
    )
  }

  /** The server keeps the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /** The server no longer keeps the process alive. */
  unref(): this {
    return this.#setRef(false)
  }

  /**
   * Stops listening, lets go of the name, and closes connections that nobody has accepted. Those
   * that were accepted live on. Idempotent.
   */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#signal?.removeEventListener('abort', this.#abort)
    this.release()
    for (const connection of this.#pool.splice(0)) connection.destroy()
    this.#accepts.fail(this.#signal?.aborted === true ? this.#signal.reason : this.closedError())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  // What the transport has to do.

  protected abstract set referenced(ref: boolean)
  /** Somebody waits now, or nobody does any more; or the pool has more or less room. */
  protected abstract acceptsChanged(): void
  /** Takes what may be there already; `certainly`: even if it does not seem that there is any. */
  protected abstract look(certainly: boolean): void
  /** A connection is about to leave the pool. */
  protected abstract beforeTaking(): void
  protected abstract release(): void

  // What the transport uses.

  protected get waiting(): number {
    return this.#accepts.length
  }

  protected get pooled(): number {
    return this.#pool.length
  }

  /** A connection that is there for the next `accept`; `serve` hands it out. */
  protected offer(connection: Connection): void {
    this.#pool.push(connection)
  }

  protected serve(): void {
    this.#accepts.service()
    this.acceptsChanged()
  }

  /** Fails all who wait. */
  protected fail(reason: unknown): void {
    this.#accepts.fail(reason)
  }

  protected closedError(): SluiceError {
    return new SluiceError('ERR_SLUICE_CLOSED', 'the server is closed')
  }

  #take(): Connection | typeof notYet {
    if (this.#pool.length === 0) return notYet
    this.beforeTaking()
    return this.#pool.shift() ?? notYet
  }

  #setRef(ref: boolean): this {
    this.#accepts.ref = ref
    if (this.#open) this.referenced = ref
    return this
  }
}
