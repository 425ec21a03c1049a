import { abortReason, checkedBefore, checkShape, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { iterateUntilClosed } from '../core/iterate_until_closed.js'
import { offAbort, onAbort, Operation, type Cancellable } from '../core/operation.js'
import { mayGoOn, soon, untilNextTurn } from '../core/turn.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import { acceptorShape, type Acceptor } from './acceptor.js'
import { Admission } from './admission.js'
import type { Connection } from './connection.js'
import { serverReject, type ServerRejectMessage } from './diagnostics.js'
import { Guests } from './guests.js'
import { IdleWatch } from './idle_watch.js'
import { Limits } from './limits.js'
import type { Peer } from './peer.js'
import { noRejections, type RejectionReason } from './rejections.js'
import { checkServerOptions, serverOptionNames, type ServerOptions } from './server_options.js'
import type { ServerHealth, ServerStats, ShutdownResult } from './server_stats.js'

export { checkServerOptions, serverOptionNames } from './server_options.js'
export type { ServerOptions } from './server_options.js'

const shutdownTimeout = 30_000

/**
 * A server whose connections are accepted one by one.
 *
 * An accepted connection is never lost: one whose `accept` was cancelled is kept for the next. Unix
 * sockets and named pipes have theirs, `UnixServer` and `NamedPipeServer`; with an {@link Acceptor} of
 * your own, `new Server(acceptor)` has all of it.
 *
 * @example
 * ```ts
 * const server = await UnixServer.listen('/run/app/app.sock')
 * const client = await connectUnix('/run/app/app.sock')
 * const connection = await server.accept({ timeout: 1000 })
 * console.log(server.stats().open)
 *
 * server.unref() // from here on the process may end although it listens
 * server.ref() // and again not
 * server.close() // the connections live on
 * client.close()
 * connection.close()
 * ```
 */
export class Server<
  Accepted extends Connection = Connection,
  Arrived extends Connection = Accepted,
> {
  readonly #acceptor: Acceptor<Accepted, Arrived>
  readonly #admission: Admission<Arrived>
  /** Connections that were let in and are in their handshake. */
  readonly #shaking = new Set<Arrived>()
  readonly #accepts = new WaitQueue(() => {
    this.#welcome()
  })
  /** Connections that nobody has accepted yet. */
  readonly #pool: Accepted[] = []
  readonly #guests: Guests
  readonly #limits: Limits
  readonly #idle: IdleWatch | undefined
  readonly #signal: AbortSignal | undefined
  readonly #abort: Cancellable = {
    cancel: () => {
      this.close()
    },
  }
  #admitted = 0
  readonly #rejected = noRejections()
  #lastError: Error | undefined
  #warned = false
  #open = true
  /** Somebody waits for a limited time only, and must not miss who is there already. */
  #looksCertainly = false
  /** The first accept will look, in this turn or the next. */
  #looksSoon = false
  /** Shutdowns that wait until all connections have closed. */
  readonly #shutdowns = new Set<() => void>()
  /** Connections that shutdowns have destroyed. */
  #cutOff = 0

  /**
   * A server of an acceptor of your own.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`, also for an acceptor that lacks a member.
   */
  constructor(acceptor: Acceptor<Accepted, Arrived>, options?: ServerOptions<Arrived>)
  /** @internal */
  constructor(
    acceptor: Acceptor<Accepted, Arrived>,
    options: ServerOptions<Arrived>,
    // eslint-disable-next-line @typescript-eslint/unified-signatures -- this one is not public
    checked: typeof checkedBefore,
  )
  constructor(
    acceptor: Acceptor<Accepted, Arrived>,
    options: ServerOptions<Arrived> = {},
    checked?: symbol,
  ) {
    if (checked !== checkedBefore) {
      checkShape('acceptor', acceptor, acceptorShape)
      options = ownOptions(options, serverOptionNames)
      checkServerOptions(options)
    }
    this.#acceptor = acceptor
    this.#signal = options.signal
    this.#limits = new Limits(options)
    const { countsUsers } = this.#limits
    this.#guests = new Guests({ countsUsers, handshakes: acceptor.handshake !== undefined }, () => {
      if (this.#guests.size === 0) for (const emptied of this.#shutdowns) emptied()
      this.#welcome()
    })
    if (options.idleTimeout !== undefined) this.#idle = this.#watchIdle(options.idleTimeout)
    this.#admission = new Admission(options, {
      admitted: (connection) => {
        this.#admit(connection)
      },
      refused: (error) => {
        this.#turnedAway('authorize', error)
      },
      decided: () => {
        this.#serve()
      },
    })
    acceptor.attach({
      arrived: (connection) => {
        this.#arrived(connection)
      },
      refuses: (user) => this.#refusal(user),
      refused: (reason, error) => {
        this.#turnedAway(reason, error)
      },
      stalled: (error) => {
        this.#stalled(error)
      },
      failed: (error) => {
        this.#lastError = error
        this.#accepts.fail(error)
      },
    })
    if (this.#signal !== undefined) onAbort(this.#signal, this.#abort)
    acceptor.welcome(this.#wanted())
    if (this.#signal?.aborted === true) this.close()
  }

  /** Whether the server has been closed. */
  get closed(): boolean {
    return !this.#open
  }

  /** Counts of now and since the server began. It looks at each open connection. */
  stats(): ServerStats {
    this.#guests.forgetCollected()
    return {
      open: this.#guests.open().length,
      waiting: this.#pool.length,
      admitted: this.#admitted,
      rejected: { ...this.#rejected },
      ...this.#guests.bytes(),
    }
  }

  /**
   * Whether the server can be reached, for a health check.
   *
   * @example
   * ```ts
   * const server = await UnixServer.listen('/run/app/app.sock')
   * const { listening, connections, lastError } = server.health()
   * if (!listening) console.error('nobody can connect', lastError)
   * else console.log(`${String(connections)} connections`)
   * server.close()
   * ```
   */
  health(): ServerHealth {
    return {
      listening: this.#open && (this.#acceptor.listening ?? true),
      connections: this.#guests.open().length,
      lastError: this.#lastError,
    }
  }

  /**
   * The next connection. One whose `accept` was cancelled is kept for the next `accept`.
   *
   * @throws (rejects) `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL` beyond 1024
   * waiting accepts, the signal's reason.
   */
  accept(options: WaitOptions = {}): Promise<Accepted> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (!this.#open) return Promise.reject(closedError())
    const first = this.#accepts.length === 0
    const promise = this.#accepts.add('accept', () => this.#take(), options)
    if (options.timeout !== undefined) this.#looksCertainly = true
    if (first) {
      this.#looksSoon = true
      // Clients that come all the time would keep the event loop from all others.
      soon(this.#acceptFirst)
    } else if (!this.#looksSoon) {
      this.#welcome()
    }
    return promise
  }

  /**
   * The connections, until the server is closed.
   *
   * @throws (rejects) what `accept` rejects with, but `ERR_SLUICE_CLOSED`.
   *
   * @example
   * ```ts
   * const server = await UnixServer.listen('/run/app/app.sock')
   * const client = await connectUnix('/run/app/app.sock')
   * client.end('hello')
   * for await (const connection of server) {
   *   connection.on('error', (error) => console.error(error)) // a peer's fault must not end the server
   *   connection.on('data', (chunk) => console.log(chunk.length))
   *   server.close() // without it, the next client is waited for
   * }
   * ```
   */
  [Symbol.asyncIterator](): AsyncGenerator<Accepted, void, void> {
    return iterateUntilClosed(
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
   * Stops listening, lets go of the name, and closes connections that nobody has accepted. Accepted
   * connections live on. Idempotent.
   */
  close(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#signal !== undefined) offAbort(this.#signal, this.#abort)
    this.#acceptor.close()
    this.#admission.close()
    for (const connection of [...this.#shaking]) connection.destroy()
    for (const connection of this.#pool.splice(0)) connection.destroy()
    this.#accepts.fail(this.#signal?.aborted === true ? abortReason(this.#signal) : closedError())
  }

  /**
   * Closes the server, and waits until its connections have closed. Connections that are still open
   * after `timeout` milliseconds (default 30 s), or when the signal aborts, are destroyed.
   *
   * @returns how many ended by themselves, and how many were cut off
   *
   * @throws (rejects) `ERR_SLUICE_INVALID_ARGUMENT`; the signal and the time only end the wait.
   *
   * @example
   * ```ts
   * const server = await UnixServer.listen('/run/app/app.sock')
   * const { cutOff } = await server.shutdown({ timeout: 5000 }) // at a SIGTERM, say
   * if (cutOff > 0) console.error(`${cutOff} connections were cut off`)
   * ```
   */
  async shutdown(options: WaitOptions = {}): Promise<ShutdownResult> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    this.close()
    this.#guests.forgetCollected()
    const { length: size } = this.#guests.open()
    const cutOffBefore = this.#cutOff
    const { signal, timeout = shutdownTimeout } = options
    if (this.#guests.size > 0 && signal?.aborted !== true) {
      const operation = new Operation('shutdown', { signal, timeout }, () => {
        operation.resolve()
      })
      const emptied = () => {
        operation.resolve()
      }
      this.#shutdowns.add(emptied)
      await operation.promise
      this.#shutdowns.delete(emptied)
    }
    const left = this.#guests.open()
    this.#cutOff += left.length
    for (const connection of left) {
      if (!mayGoOn()) await untilNextTurn()
      connection.destroy()
    }
    // Another shutdown may have cut off some of these.
    const cutOff = this.#cutOff - cutOffBefore
    return { finished: size - cutOff, cutOff }
  }

  /** Closes the server at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** For the first that waits: what is there already. */
  readonly #acceptFirst = (): void => {
    const certainly = this.#looksCertainly
    this.#looksSoon = false
    this.#looksCertainly = false
    if (this.#pool.length > 0) this.#accepts.service()
    else if (this.#open) this.#acceptor.acceptNow?.(this.#wanted(), certainly)
    // Only now: those that are there already need no watch, which the system may refuse.
    this.#welcome()
  }

  #take(): Accepted | typeof notYet {
    if (this.#pool.length === 0) return notYet
    // A place will be free. The acceptor hears it before the connection is handed out.
    if (this.#acceptor.takesAhead) this.#acceptor.welcome(this.#wanted(1))
    const connection = this.#pool.shift()
    if (connection === undefined) return notYet
    this.#idle?.add(connection)
    return connection
  }

  /** How many more connections are wanted, when `leaving` have left the pool. */
  #wanted(leaving = 0): number {
    // At the limit clients are wanted although nobody accepts: to be closed, instead of left waiting.
    const isWanted =
      this.#acceptor.takesAhead || this.#accepts.length > 0 || this.#limits.isFull(this.#guests)
    if (!isWanted) return 0
    const room = this.#acceptor.poolSize - this.#pool.length - this.#shaking.size + leaving
    return Math.max(0, Math.min(room, this.#admission.room))
  }

  #welcome(): void {
    if (this.#open) this.#acceptor.welcome(this.#wanted())
  }

  #refusal(user: () => Peer['user']): RejectionReason | undefined {
    return this.#limits.refusal(this.#guests, user)
  }

  #turnedAway(reason: RejectionReason, error?: Error): void {
    this.#rejected[reason]++
    if (error !== undefined) this.#lastError = error
    if (serverReject.hasSubscribers) {
      const message: ServerRejectMessage = { server: this, reason, error }
      serverReject.publish(message)
    }
  }

  #arrived(connection: Arrived): void {
    this.#warned = false
    // `authorize` may have closed the server meanwhile.
    if (!this.#open) {
      connection.destroy()
      return
    }
    const reason = this.#refusal(() => connection.peer.user)
    if (reason !== undefined) {
      connection.destroy()
      this.#turnedAway(reason)
      return
    }
    this.#limits.admitted()
    this.#guests.add(connection)
    this.#admission.ask(connection)
    this.#serve()
  }

  /** It may come in. Without a handshake, what arrives is what is handed out. */
  #admit(connection: Arrived): void {
    if (this.#acceptor.handshake === undefined) this.#keep(connection as Connection as Accepted)
    else void this.#shakeHands(connection, this.#acceptor.handshake(connection))
  }

  #keep(connection: Accepted): void {
    this.#admitted++
    this.#pool.push(connection)
  }

  async #shakeHands(arrived: Arrived, handshake: Promise<Accepted>): Promise<void> {
    this.#shaking.add(arrived)
    try {
      const ready = await handshake
      if (this.#open && !ready.destroyed) {
        this.#guests.replace(arrived, ready)
        this.#keep(ready)
      } else {
        ready.destroy()
      }
    } catch (error) {
      arrived.destroy()
      this.#turnedAway('handshake', error instanceof Error ? error : undefined)
    }
    this.#shaking.delete(arrived)
    this.#serve()
  }

  #watchIdle(milliseconds: number): IdleWatch {
    return new IdleWatch(milliseconds, (connection) => {
      const error = new SluiceError(
        'ERR_SLUICE_TIMEOUT',
        `the connection is closed: no byte came or went for ${String(milliseconds)} ms`,
      )
      this.#turnedAway('idle')
      // An event that nobody listens to would end the process because of one silent client.
      if (connection.listenerCount('error') > 0) connection.destroy(error)
      else connection.abort(error)
    })
  }

  #serve(): void {
    this.#accepts.service()
    this.#welcome()
  }

  #stalled(error: Error): void {
    this.#lastError = error
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(`${error.message}; it is tried again after a while`, {
      type: 'SluiceWarning',
      code: 'SLUICE_ACCEPT_PAUSED',
    })
  }

  #setRef(ref: boolean): this {
    this.#accepts.ref = ref
    if (this.#open) this.#acceptor.ref = ref
    return this
  }
}

function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the server is closed')
}
