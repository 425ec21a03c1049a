import { checkFunction, invalidArgument, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { Operation } from '../core/operation.js'
import { RetryTimer, type Backoff } from '../core/retry.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import type { Connection } from '../transport/connection.js'
import { parseAddress } from './address.js'
import { attempt, type Connect } from './attempt.js'
import { connect } from './connect.js'
import { checkedPoolOptions, type PoolOptions, type PoolStats } from './pool_options.js'
import { isBroken, poolableShape, PooledConnection, type Poolable } from './pooled_connection.js'

/** After a failure to connect. */
const pauses: Backoff = { firstMs: 50, longestMs: 5000, jitter: true }

/**
 * A number of connections that are used in turns.
 *
 * Waiting calls are served first in first out; of idle connections the last that was used is taken
 * first, so that the others can be closed. A connection that has closed, by itself or by its peer, is
 * never handed out. Idle connections do not keep the process alive.
 *
 * When a connection cannot be made, the first that waits is told why, and the next attempt is made after
 * a pause of 50 ms, which doubles with each failure, up to 5 s.
 *
 * @example
 * ```ts
 * const server = await listen('pipe:app')
 * const pool = new ConnectionPool('pipe:app', { max: 4 })
 * const accepting = server.accept()
 * await pool.use((connection) => connection.send(Buffer.from('hello')))
 * const accepted = await accepting
 * console.log((await accepted.receive())?.data.toString()) // hello
 * await pool.drain({ timeout: 5000 })
 * for (const one of [accepted, server]) one.close()
 * ```
 */
export class ConnectionPool<C extends Poolable = Connection> {
  readonly #connect: Connect<C>
  readonly #connectTimeout: number
  readonly #min: number
  readonly #max: number
  readonly #acquireTimeout: number | undefined
  readonly #idleTimeout: number
  readonly #validate: ((connection: C) => boolean | Promise<boolean>) | undefined

  /** The one that was used last is the last. */
  readonly #idle: PooledConnection<C>[] = []
  /** Connections that were validated for a waiting call. */
  readonly #ready: PooledConnection<C>[] = []
  readonly #inUse = new Map<C, PooledConnection<C>>()
  #validating = 0
  #creating = 0
  readonly #waiters = new WaitQueue(() => {
    this.#serve()
  })
  /** For the first that waits. */
  #failure: { error: unknown } | undefined
  readonly #pause = new RetryTimer(() => {
    this.#serve()
  }, pauses)
  readonly #whenClosed = new AbortController()
  #idleTimer: NodeJS.Timeout | undefined
  #state: 'open' | 'draining' | 'closed' = 'open'
  readonly #drains = new Set<Operation>()
  #created = 0
  #closed = 0
  #failed = 0

  /**
   * `target`: an address, as `connect` has them, or a function that makes a connection; its signal aborts
   * when the pool is closed, or after `options.connectTimeout`.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`
   */
  constructor(
    target: string | ((options: { signal: AbortSignal }) => Promise<C>),
    options: PoolOptions<C> = {},
  ) {
    this.#connect = connectTo<C>(target)
    const { min, max, connectTimeout, idleTimeout, acquireTimeout, validate } =
      checkedPoolOptions(options)
    this.#connectTimeout = connectTimeout
    this.#min = min
    this.#max = max
    this.#idleTimeout = idleTimeout
    this.#acquireTimeout = acquireTimeout
    this.#validate = validate
    this.#serve()
  }

  /** Whether `close` or `drain` was called. */
  get closed(): boolean {
    return this.#state !== 'open'
  }

  /** Counts of now, and since the pool began. */
  stats(): PoolStats {
    const idle = this.#idle.length + this.#ready.length
    return {
      open: idle + this.#inUse.size + this.#validating,
      idle,
      inUse: this.#inUse.size,
      validating: this.#validating,
      creating: this.#creating,
      waiting: this.#waiters.length,
      created: this.#created,
      closed: this.#closed,
      failed: this.#failed,
    }
  }

  /**
   * A connection for the caller alone, until `release`. An `acquire` that is cancelled loses none.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`; (rejects) why no connection could be made;
   * `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_QUEUE_FULL` beyond 1024 that wait, the signal's
   * reason.
   *
   * @example
   * ```ts
   * const server = await listen('tcp:127.0.0.1:0')
   * const pool = new ConnectionPool(({ signal }) => connect(server.address, { signal }))
   * const connection = await pool.acquire({ timeout: 1000 })
   * try {
   *   await connection.send(Buffer.from('hello'))
   * } finally {
   *   pool.release(connection)
   * }
   * console.log(pool.stats().idle) // 1
   * pool.close()
   * server.close()
   * ```
   */
  acquire(options: WaitOptions = {}): Promise<C> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#state !== 'open') return Promise.reject(poolClosed())
    const { signal, timeout = this.#acquireTimeout } = options
    const promise = this.#waiters.add('acquire', () => this.#take(), { signal, timeout })
    this.#serve()
    return promise
  }

  /**
   * Gives a connection back. One that must not be used again is closed before: `connection.close()`.
   *
   * @throws `ERR_SLUICE_INVALID_STATE` for a connection that was not acquired, or was released already.
   */
  release(connection: C): void {
    const pooled = this.#inUse.get(connection)
    if (pooled === undefined) {
      // It has closed meanwhile, and is forgotten already.
      if (isBroken(connection)) return
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        'the connection was not acquired from this pool, or was released already',
      )
    }
    this.#inUse.delete(connection)
    if (pooled.broken) this.#discard(pooled)
    else this.#keep(pooled)
    this.#serve()
  }

  /**
   * Acquires a connection for the time of one call. It is closed if the call fails: nobody knows then what
   * is under way on it.
   *
   * @throws (rejects) `ERR_SLUICE_INVALID_ARGUMENT`, as `acquire`, and what the call fails with.
   */
  async use<T>(call: (connection: C) => T | Promise<T>, options: WaitOptions = {}): Promise<T> {
    checkFunction('call', call)
    const connection = await this.acquire(options)
    try {
      return await call(connection)
    } catch (error) {
      connection.close()
      throw error
    } finally {
      this.release(connection)
    }
  }

  /**
   * Hands out nothing more except to those that wait already, and resolves when all connections have been
   * given back and are closed.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`; (rejects) `ERR_SLUICE_TIMEOUT`, the signal's reason. The pool
   * goes on to drain; `close` ends it at once.
   */
  drain(options: WaitOptions = {}): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#state === 'closed') return Promise.resolve()
    this.#state = 'draining'
    const operation = new Operation('drain', options, (one, reason) => {
      this.#drains.delete(operation)
      one.reject(reason)
    })
    this.#drains.add(operation)
    this.#serve()
    return operation.promise
  }

  /** Closes all connections at once, also those that are in use. Idempotent. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#whenClosed.abort(poolClosed())
    this.#pause.stop()
    clearTimeout(this.#idleTimer)
    this.#waiters.fail(poolClosed())
    const all = [...this.#idle.splice(0), ...this.#ready.splice(0), ...this.#inUse.values()]
    this.#inUse.clear()
    for (const pooled of all) this.#discard(pooled)
    this.#finishDrains()
  }

  /** Closes the pool at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** For the first that waits: a connection, or why there is none. */
  #take(): C | typeof notYet {
    const from = this.#validate === undefined ? this.#idle : this.#ready
    for (let pooled; (pooled = from.pop()) !== undefined;) {
      if (pooled.broken) {
        this.#discard(pooled)
        continue
      }
      this.#inUse.set(pooled.connection, pooled)
      this.#pause.reset()
      pooled.handOut()
      return pooled.connection
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return notYet
  }

  /** Serves who waits, and sees to it that there will be as many connections as are needed. */
  #serve(): void {
    if (this.#state === 'closed') return
    this.#waiters.service()
    this.#failure = undefined // nobody waits for it
    while (this.#validating + this.#creating + this.#ready.length < this.#waiters.length) {
      const pooled = this.#idle.pop()
      if (pooled === undefined) break
      if (pooled.broken) this.#discard(pooled)
      else void this.#ask(pooled)
    }
    // Nobody waits for those any more.
    if (this.#waiters.length === 0) this.#idle.push(...this.#ready.splice(0))
    this.#pause.ref = this.#waiters.length > 0
    while (this.#wantsMore()) void this.#create()
    if (this.#state === 'draining' && this.#waiters.length === 0) {
      for (const pooled of this.#idle.splice(0)) this.#discard(pooled)
      this.#finishDrains()
    }
    this.#watchIdle()
  }

  #wantsMore(): boolean {
    const { open } = this.stats()
    if (this.#pause.running || open + this.#creating >= this.#max) return false
    const needed = this.#waiters.length - this.#validating - this.#ready.length
    if (this.#creating < needed) return true
    return this.#state === 'open' && open + this.#creating < this.#min
  }

  async #create(): Promise<void> {
    this.#creating++
    try {
      const connection = await attempt(this.#connect, {
        stop: this.#whenClosed.signal,
        timeout: this.#connectTimeout,
        shape: poolableShape,
      })
      this.#creating--
      this.#created++
      const pooled = new PooledConnection<C>(connection, () => {
        this.#onClosed(pooled)
      })
      if (pooled.broken) this.#discardNew(pooled, 'it was closed at once')
      else this.#keep(pooled)
    } catch (error) {
      this.#creating--
      this.#fail(error)
    }
    this.#serve()
  }

  /** Without a pause connections would be made and closed all the time. */
  #fail(error: unknown): void {
    this.#failed++
    if (this.#isClosed()) return
    this.#failure = { error }
    this.#pause.start()
  }

  /** For a connection that nobody could use, although it could be made. */
  #discardNew(pooled: PooledConnection<C>, why: string): void {
    this.#discard(pooled)
    this.#fail(new SluiceError('ERR_SLUICE_CLOSED', `a connection was made in vain: ${why}`))
  }

  async #ask(pooled: PooledConnection<C>): Promise<void> {
    this.#validating++
    let valid = false
    try {
      // Only a plain yes.
      valid = ((await this.#validate?.(pooled.connection)) as unknown) === true
    } catch {
      // Then it is not.
    }
    this.#validating--
    if (valid && !pooled.broken && !this.#isClosed()) this.#ready.push(pooled)
    else if (pooled.isNew) this.#discardNew(pooled, 'validate does not say yes')
    else this.#discard(pooled)
    this.#serve()
  }

  #keep(pooled: PooledConnection<C>): void {
    pooled.keep()
    this.#idle.push(pooled)
  }

  /** It has closed by itself. */
  #onClosed(pooled: PooledConnection<C>): void {
    for (const list of [this.#idle, this.#ready]) {
      const index = list.indexOf(pooled)
      if (index >= 0) list.splice(index, 1)
      if (index >= 0) this.#discard(pooled)
    }
    if (this.#inUse.get(pooled.connection) === pooled) {
      this.#inUse.delete(pooled.connection)
      this.#discard(pooled)
    }
    this.#serve()
  }

  #discard(pooled: PooledConnection<C>): void {
    this.#closed++
    pooled.close()
  }

  #finishDrains(): void {
    const { open } = this.stats()
    if (this.#state !== 'closed' && open + this.#creating > 0) return
    if (this.#state === 'draining') {
      this.close()
      return
    }
    for (const drain of this.#drains) drain.resolve()
    this.#drains.clear()
  }

  /** Closes connections that were idle for long: those at the front are so the longest. */
  #watchIdle(): void {
    if (this.#idleTimeout === 0 || this.#idleTimer !== undefined) return
    const oldest = this.#idle.at(0)
    if (oldest === undefined || this.stats().open <= this.#min) return
    const wait = Math.max(1, oldest.idleSince + this.#idleTimeout - performance.now())
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = undefined
      const until = performance.now() - this.#idleTimeout
      for (;;) {
        const first = this.#idle.at(0)
        if (first === undefined || first.idleSince > until) break
        if (this.stats().open <= this.#min) break
        this.#idle.shift()
        this.#discard(first)
      }
      this.#watchIdle()
    }, wait).unref()
  }

  /** A function, because what is awaited may close it. */
  #isClosed(): boolean {
    return this.#state === 'closed'
  }
}

function connectTo<C>(target: unknown): Connect<C> {
  if (typeof target === 'function') return target as Connect<C>
  if (typeof target !== 'string')
    throw invalidArgument('target', 'an address or a function', target)
  parseAddress(target) // a wrong one is told now
  return (({ signal }) => connect(target, { signal })) as Connect<Connection> as Connect<never>
}

function poolClosed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the pool is closed')
}
