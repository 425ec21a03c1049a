import {
  abortReason,
  checkedBefore,
  checkInteger,
  checkShape,
  checkSignal,
  ownOptions,
} from '../core/arguments.js'
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
import {
  Admission,
  admissionOptionNames,
  checkAdmissionOptions,
  type AdmissionOptions,
} from './admission.js'
import { Connection } from './connection.js'

/** The options of every {@link Server}. */
export interface ServerOptions<
  Accepted extends Connection = Connection,
> extends AdmissionOptions<Accepted> {
  /**
   * Connections that may be open at once; by default there is no limit. At the limit no more are
   * accepted until one closes: clients wait in the system's queue, or see that the server is busy.
   */
  maxConnections?: number
  /** Closes the server when it aborts; default none. */
  signal?: AbortSignal
}

export const serverOptionNames = ['maxConnections', 'signal', ...admissionOptionNames] as const

export function checkServerOptions<Accepted extends Connection>(
  options: ServerOptions<Accepted>,
): void {
  checkAdmissionOptions(options)
  checkSignal('options.signal', options.signal)
  const { maxConnections } = options
  if (maxConnections !== undefined) checkInteger('options.maxConnections', maxConnections, 1)
}

/** Counts of one {@link Server}. */
export interface ServerStats {
  /** Connections that are open, those that nobody has accepted yet included. */
  open: number
  /** Open connections that were let in and wait for an `accept`. */
  waiting: number
  /** Connections let in since the server began. */
  admitted: number
  /** Connections that `authorize` has refused. */
  refused: number
}

/** The result of {@link Server.shutdown}. */
export interface ShutdownResult {
  /** Connections that ended by themselves. */
  finished: number
  /** Connections that were still open at the end, and were destroyed. */
  cutOff: number
}

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
 * console.log(server.stats.open)
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
  /** Kept only where there is a handshake, after which a note is of another connection. */
  readonly #guests = new WeakMap<Arrived, Guest>()
  readonly #accepts = new WaitQueue(() => {
    this.#welcome()
  })
  /** Connections that nobody has accepted yet. */
  readonly #pool: Accepted[] = []
  /** Weakly: a connection that is dropped without `close` is to be found out. */
  readonly #connections = new Set<Guest>()
  readonly #maxConnections: number
  readonly #signal: AbortSignal | undefined
  readonly #abort: Cancellable = {
    cancel: () => {
      this.close()
    },
  }
  #admitted = 0
  #refused = 0
  #warned = false
  #open = true
  /** Somebody waits for a limited time only, and must not miss who is there already. */
  #looksCertainly = false
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
    this.#maxConnections = options.maxConnections ?? Infinity
    this.#admission = new Admission(options, {
      admitted: (connection) => {
        this.#admit(connection)
      },
      refused: () => {
        this.#refused++
      },
      decided: () => {
        this.#serve()
      },
    })
    acceptor.attach({
      arrived: (connection) => {
        this.#arrived(connection)
      },
      stalled: (error) => {
        this.#stalled(error)
      },
      failed: (error) => {
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

  /** The counts as of now. */
  get stats(): ServerStats {
    this.#forgetCollected()
    return {
      open: this.#stillOpen().length,
      waiting: this.#pool.length,
      admitted: this.#admitted,
      refused: this.#refused,
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
    // Clients that come all the time would keep the event loop from all others.
    if (first) soon(this.#acceptFirst)
    this.#welcome()
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
    this.#forgetCollected()
    const { length: size } = this.#stillOpen()
    const cutOffBefore = this.#cutOff
    const { signal, timeout = shutdownTimeout } = options
    if (this.#connections.size > 0 && signal?.aborted !== true) {
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
    const left = this.#stillOpen()
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
    this.#looksCertainly = false
    if (this.#pool.length > 0) this.#accepts.service()
    else if (this.#open) this.#acceptor.acceptNow?.(this.#wanted(), certainly)
  }

  #take(): Accepted | typeof notYet {
    if (this.#pool.length === 0) return notYet
    // A place will be free. The acceptor hears it before the connection is handed out.
    if (this.#acceptor.takesAhead) this.#acceptor.welcome(this.#wanted(1))
    return this.#pool.shift() ?? notYet
  }

  /** How many more connections are wanted, when `leaving` have left the pool. */
  #wanted(leaving = 0): number {
    if (!this.#acceptor.takesAhead && this.#accepts.length === 0) return 0
    if (this.#connections.size >= this.#maxConnections) this.#forgetCollected()
    return Math.max(
      0,
      Math.min(
        this.#acceptor.poolSize - this.#pool.length - this.#shaking.size + leaving,
        this.#admission.room,
        this.#maxConnections - this.#connections.size,
      ),
    )
  }

  #welcome(): void {
    if (this.#open) this.#acceptor.welcome(this.#wanted())
  }

  /** Connections that are not closing, which takes a while on some transports. */
  #stillOpen(): Connection[] {
    return [...this.#connections]
      .map(({ connection }) => connection)
      .filter((connection) => connection !== undefined)
      .filter(({ destroyed }) => !destroyed)
  }

  /** Connections that were dropped without `close`, and then garbage-collected. */
  #forgetCollected(): void {
    for (const guest of this.#connections) {
      if (guest.connection === undefined) this.#connections.delete(guest)
    }
  }

  #arrived(connection: Arrived): void {
    this.#warned = false
    // `authorize` may have closed the server meanwhile.
    if (!this.#open) {
      connection.destroy()
      return
    }
    if (this.#connections.size >= this.#maxConnections) {
      connection.destroy()
      this.#refused++
      return
    }
    const guest = new Guest(connection, this.#connections, this.#guestLeft)
    Connection.whenClosed(connection, guest)
    // A connection that was dropped without `close` makes room for the next one, too.
    if (this.#maxConnections !== Infinity) collected.register(connection, guest)
    if (this.#acceptor.handshake !== undefined) this.#guests.set(connection, guest)
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
        this.#guests.get(arrived)?.become(ready)
        this.#keep(ready)
      } else {
        ready.destroy()
      }
    } catch {
      arrived.destroy()
      this.#refused++
    }
    this.#shaking.delete(arrived)
    this.#serve()
  }

  readonly #guestLeft = (): void => {
    if (this.#connections.size === 0) for (const emptied of this.#shutdowns) emptied()
    if (this.#acceptor.takesAhead || this.#maxConnections !== Infinity) this.#welcome()
  }

  #serve(): void {
    this.#accepts.service()
    this.#welcome()
  }

  #stalled(error: Error): void {
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

/** A server's note of one connection. */
class Guest {
  #connection: WeakRef<Connection>
  readonly #guests: Set<Guest>
  readonly #whenLeft: () => void

  constructor(connection: Connection, guests: Set<Guest>, whenLeft: () => void) {
    this.#connection = new WeakRef(connection)
    this.#guests = guests
    this.#whenLeft = whenLeft
    guests.add(this)
  }

  get connection(): Connection | undefined {
    return this.#connection.deref()
  }

  /** A handshake has made another connection of it. */
  become(connection: Connection): void {
    this.#connection = new WeakRef(connection)
    Connection.whenClosed(connection, this)
  }

  /** Told once, or more often when it was dropped or has become another one. */
  left(): void {
    if (this.#guests.delete(this)) this.#whenLeft()
  }
}

const collected = new FinalizationRegistry<Guest>((guest) => {
  guest.left()
})

function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the server is closed')
}
