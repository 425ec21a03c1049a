import { EventEmitter } from 'node:events'

import { abortReason, checkFunction, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { iterateUntilClosed } from '../core/iterate_until_closed.js'
import { offAbort, onAbort, type Cancellable } from '../core/operation.js'
import { RetryTimer } from '../core/retry.js'
import { callUserCode } from '../core/user_code.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import { attempt, type Connect } from './attempt.js'
import { closedError } from './duplex_writer.js'
import { isRetryable } from './is_retryable.js'
import { messageConnectionShape, type MessageConnection } from './messages.js'
import {
  checkedReconnectOptions,
  type CheckedReconnectOptions,
  type ReconnectOptions,
} from './reconnect_options.js'
import { UnsentMessages, type Unsent } from './unsent.js'

/** A retry that comes after a pause, told by the event `'retry'` of a {@link ReconnectingConnection}. */
export interface Retry {
  /** 1 for the first since the last healthy connection. */
  attempt: number
  /** Milliseconds until then. */
  delay: number
  /** Why there is no connection; undefined when the peer has ended it. */
  error: unknown
}

/** The events of a {@link ReconnectingConnection}. */
export interface ReconnectingEvents {
  /** A connection stands. */
  connect: []
  /** It stands no more; why, or undefined when the peer has ended it. */
  disconnect: [error: unknown]
  /** It is tried again after a pause. */
  retry: [retry: Retry]
}

/** Counts of a {@link ReconnectingConnection}. */
export interface ReconnectingStats {
  /** Whether a connection stands. */
  connected: boolean
  /** Connections made since the beginning. */
  connects: number
  /** Retries since the last healthy connection. */
  retries: number
  /** Messages that wait to be sent, without the one that is under way. */
  queuedMessages: number
  /** Bytes of them. */
  queuedBytes: number
}

/**
 * A connection of messages that is made again when it is lost.
 *
 * - `send` resolves when the message was handed to the system. A message that was not handed over yet, with or
 *   without a connection, is kept up to a limit, and sent when there is one, at most once and in order.
 * - The message that was under way when the connection was lost is not sent again: nobody knows whether it has
 *   arrived. Its `send` rejects with `ERR_SLUICE_DISCONNECTED`. A message that was handed over may still
 *   be lost with the peer: let the peer acknowledge what must not be.
 * - `receive` waits through disconnects. It gives no sign of them: listen to `'disconnect'`.
 * - When it gives up, after `maxRetries` or for an error that is final ({@link isRetryable}), everything that
 *   waits rejects with `ERR_SLUICE_UNREACHABLE`, whose `cause` says why.
 *
 * It keeps the process alive while it waits for a retry.
 *
 * @example
 * ```ts
 * const server = await listen('tcp:127.0.0.1:0')
 * const connection = new ReconnectingConnection(
 *   async ({ signal }) => framed(await connect(server.address, { signal })),
 *   { maxRetries: 10 },
 * )
 * connection.on('retry', ({ delay }) => console.log(`again in ${delay} ms`))
 * await connection.whenConnected({ timeout: 1000 })
 * const first = framed(await server.accept())
 * const message = connection.receive()
 * first.close() // the connection is lost, and made again
 * const second = framed(await server.accept())
 * await second.send(Buffer.from('hello'))
 * console.log(String(await message)) // hello
 * await connection.send(Buffer.from('bye'))
 * console.log(connection.stats().connects) // 2
 * connection.close()
 * second.close()
 * server.close()
 * ```
 */
export class ReconnectingConnection<T = Buffer>
  extends EventEmitter<ReconnectingEvents>
  implements MessageConnection<T>
{
  /** Resolves once, when it is over: with why it has given up, or with undefined after `close`. */
  readonly whenClosed: Promise<Error | undefined>
  readonly #connect: Connect<MessageConnection<T>>
  readonly #options: CheckedReconnectOptions
  readonly #unsent: UnsentMessages<T>
  readonly #pause: RetryTimer
  readonly #stop = new AbortController()
  readonly #abort: Cancellable = {
    cancel: (reason) => {
      this.abort(reason)
    },
  }
  /** Messages that came for a `receive` that was cancelled, and why others could not be made out. */
  readonly #received: ({ message: T } | { failure: unknown })[] = []
  readonly #receives = new WaitQueue(() => {
    this.#receives.service()
  })
  /** Calls of `whenConnected` that wait. */
  readonly #connectWaits = new WaitQueue(() => {
    this.#connectWaits.service()
  })
  #current: MessageConnection<T> | undefined
  #connectedAt = 0
  #underWay: Unsent<T> | undefined
  /** The connections that are being written to and read. */
  #writing: MessageConnection<T> | undefined
  #reading: MessageConnection<T> | undefined
  #connects = 0
  #retries = 0
  #over: { reason: unknown } | undefined
  #tellClosed: (error: Error | undefined) => void = () => undefined

  /**
   * `connect` makes one connection; its signal aborts when this one is closed, or after
   * `options.connectTimeout`. It is called at once.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`
   */
  constructor(
    connect: (options: { signal: AbortSignal }) => Promise<MessageConnection<T>>,
    options: ReconnectOptions = {},
  ) {
    super()
    checkFunction('connect', connect)
    this.#connect = connect
    this.#options = checkedReconnectOptions(options)
    const { initialDelay, maxDelay, factor, jitter, signal } = this.#options
    this.#unsent = new UnsentMessages(this.#options.maxQueuedMessages, this.#options.maxQueuedBytes)
    this.#pause = new RetryTimer(
      () => {
        void this.#connectNow()
      },
      { firstMs: initialDelay, longestMs: maxDelay, factor, jitter: jitter && 'full' },
    )
    this.whenClosed = new Promise((resolve) => {
      this.#tellClosed = resolve
    })
    if (signal?.aborted === true) this.abort(abortReason(signal))
    else if (signal !== undefined) onAbort(signal, this.#abort)
    if (this.#over === undefined) void this.#connectNow()
  }

  /** Whether it is over: closed, or given up. */
  get closed(): boolean {
    return this.#over !== undefined
  }

  /** Whether a connection stands. */
  get connected(): boolean {
    return this.#current !== undefined
  }

  /** Counts of now, and since the beginning. */
  stats(): ReconnectingStats {
    return {
      connected: this.connected,
      connects: this.#connects,
      retries: this.#retries,
      queuedMessages: this.#unsent.length,
      queuedBytes: this.#unsent.bytes,
    }
  }

  /**
   * Resolves when a connection stands, at once if one does.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`; (rejects) `ERR_SLUICE_UNREACHABLE`, `ERR_SLUICE_CLOSED`,
   * `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL` beyond 1024 that wait, the signal's reason, what `abort` was
   * given.
   */
  whenConnected(options: WaitOptions = {}): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#over !== undefined) return this.#rejectOver(this.#over)
    if (this.connected) return Promise.resolve()
    return this.#connectWaits.add(
      'connecting',
      () => (this.connected ? undefined : notYet),
      options,
    )
  }

  /**
   * Sends one message, now or when there is a connection again; resolves when the system has it. Bytes
   * must not change until then.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`; (rejects) `ERR_SLUICE_DISCONNECTED` when the connection was lost
   * while the message was under way; `ERR_SLUICE_QUEUE_FULL` when too many wait; `ERR_SLUICE_UNREACHABLE`,
   * `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, the signal's reason, what `abort` was given; what the connection
   * refuses the message with.
   */
  send(message: T, options: WaitOptions = {}): Promise<void> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#over !== undefined) return this.#rejectOver(this.#over)
    const sent = this.#unsent.add(message, options)
    if (this.#current !== undefined) void this.#write(this.#current)
    return sent
  }

  /**
   * The next message, of this connection or of one that is made later. A `receive` that is cancelled loses
   * none.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`; (rejects) `ERR_SLUICE_UNREACHABLE`, `ERR_SLUICE_CLOSED`,
   * `ERR_SLUICE_TIMEOUT`, `ERR_SLUICE_QUEUE_FULL` beyond 1024 that wait, the signal's reason, what `abort` was
   * given.
   */
  receive(options: WaitOptions = {}): Promise<T> {
    options = ownOptions(options, waitOptionNames)
    checkWaitOptions(options)
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#over !== undefined && this.#received.length === 0) return this.#rejectOver(this.#over)
    const receiving = this.#receives.add('receive', () => this.#takeReceived(), options)
    this.#receives.service()
    if (this.#current !== undefined) void this.#read(this.#current)
    return receiving
  }

  /**
   * The messages, until it is closed.
   *
   * @throws (rejects) `ERR_SLUICE_UNREACHABLE` when it has given up, `ERR_SLUICE_QUEUE_FULL` as `receive`, what
   * `abort` was given.
   *
   * @example
   * ```ts
   * const server = await listen('tcp:127.0.0.1:0')
   * const connection = new ReconnectingConnection(async ({ signal }) =>
   *   framed(await connect(server.address, { signal })),
   * )
   * const accepted = framed(await server.accept())
   * await accepted.send(Buffer.from('hello'))
   * for await (const message of connection) {
   *   console.log(String(message)) // hello
   *   connection.close() // without it, the next message is waited for
   * }
   * accepted.close()
   * server.close()
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    yield* iterateUntilClosed(
      () => this.#over?.reason === undefined && this.closed,
      () => this.receive(),
    )
  }

  /** Closes at once; what was not sent is lost, and those that wait reject. Idempotent. */
  close(): void {
    this.#finish(undefined)
  }

  /**
   * Closes at once, and says why to those that wait; default `ERR_SLUICE_CLOSED`. Idempotent.
   *
   * @example
   * ```ts
   * const server = await listen('tcp:127.0.0.1:0')
   * const connection = new ReconnectingConnection(async ({ signal }) =>
   *   framed(await connect(server.address, { signal })),
   * )
   * const receiving = connection.receive()
   * connection.abort(new Error('the program ends'))
   * await receiving.catch((error: unknown) => console.log(String(error))) // Error: the program ends
   * server.close()
   * ```
   */
  abort(reason?: unknown): void {
    this.#finish(reason)
  }

  /** Closes the connection at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  async #connectNow(): Promise<void> {
    let connection: MessageConnection<T>
    try {
      connection = await attempt(this.#connect, {
        stop: this.#stop.signal,
        timeout: this.#options.connectTimeout,
        shape: messageConnectionShape,
      })
    } catch (error) {
      if (this.#over === undefined) this.#retry(error)
      return
    }
    this.#connects++
    this.#connectedAt = performance.now()
    this.#current = connection
    const lost = (error: unknown) => {
      this.#lost(connection, error)
    }
    connection.whenClosed.then(lost, lost)
    this.#connectWaits.service()
    this.#tell(() => this.emit('connect'))
    if (this.#current !== connection) return // a listener has closed it
    void this.#write(connection)
    void this.#read(connection)
  }

  /** One after the other: only one message is under way, so only of one is it not known what became of it. */
  async #write(connection: MessageConnection<T>): Promise<void> {
    if (this.#writing === connection) return
    this.#writing = connection
    while (this.#current === connection && !connection.closed) {
      const unsent = this.#unsent.take()
      if (unsent === undefined) break
      this.#underWay = unsent
      try {
        const { stop } = unsent
        await (stop === undefined
          ? connection.send(unsent.message)
          : connection.send(unsent.message, { signal: stop.signal }))
        unsent.operation.resolve(undefined)
      } catch (error) {
        this.#onSendFailed(connection, unsent, error)
      }
      if (this.#underWay === unsent) this.#underWay = undefined
    }
    if (this.#writing === connection) this.#writing = undefined
  }

  #onSendFailed(connection: MessageConnection<T>, unsent: Unsent<T>, error: unknown): void {
    const { operation, stop } = unsent
    const wasCancelled = stop?.signal.aborted === true && error === stop.signal.reason
    if (!wasCancelled && (connection.closed || isRetryable(error))) {
      operation.reject(disconnected(error))
      this.#lost(connection, error)
    } else {
      operation.reject(error)
    }
  }

  /** Only while somebody wants a message: the peer is held back otherwise. */
  async #read(connection: MessageConnection<T>): Promise<void> {
    if (this.#reading === connection) return
    this.#reading = connection
    try {
      while (this.#current === connection && this.#receives.length > 0) {
        const received = await receiveOne(connection)
        if (received === undefined) {
          this.#lost(connection, undefined)
          break
        }
        this.#received.push(received)
        this.#receives.service()
      }
    } catch (error) {
      this.#lost(connection, error)
    }
    if (this.#reading === connection) this.#reading = undefined
  }

  #takeReceived(): T | typeof notYet {
    const received = this.#received.shift()
    if (received === undefined) return notYet
    if ('failure' in received) throw received.failure
    return received.message
  }

  #lost(connection: MessageConnection<T>, error: unknown): void {
    if (this.#current !== connection) return
    this.#current = undefined
    if (performance.now() - this.#connectedAt >= this.#options.healthyAfter) {
      this.#retries = 0
      this.#pause.reset()
    }
    connection.close()
    this.#underWay?.operation.reject(disconnected(error))
    this.#underWay = undefined
    this.#tell(() => this.emit('disconnect', error))
    if (this.#over === undefined) this.#retry(error)
  }

  #retry(error: unknown): void {
    const isFinal = error !== undefined && !isRetryable(error) && !isClosedError(error)
    if (isFinal || this.#retries >= this.#options.maxRetries) {
      const tries = isFinal ? '' : ` after ${String(this.#retries)} retries`
      this.#finish(
        new SluiceError('ERR_SLUICE_UNREACHABLE', `no connection any more${tries}: ${why(error)}`, {
          cause: error,
        }),
      )
      return
    }
    const attempt = ++this.#retries
    const delay = this.#pause.start()
    this.#tell(() => this.emit('retry', { attempt, delay, error }))
  }

  #finish(reason: unknown): void {
    if (this.#over !== undefined) return
    this.#over = { reason }
    const { signal } = this.#options
    if (signal !== undefined) offAbort(signal, this.#abort)
    this.#pause.stop()
    const error = reason ?? closedError()
    this.#stop.abort(error)
    const connection = this.#current
    this.#current = undefined
    connection?.close()
    // Some of what is under way may have gone.
    this.#underWay?.operation.reject(reason === undefined ? disconnected(error) : error)
    this.#unsent.fail(error)
    this.#receives.fail(error)
    this.#connectWaits.fail(error)
    this.#tellClosed(reason instanceof Error ? reason : undefined)
  }

  #rejectOver({ reason }: { reason: unknown }): Promise<never> {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a reason can be anything
    return Promise.reject(reason ?? closedError())
  }

  /** A listener that throws must not keep the connection from being made again. */
  #tell(emit: () => boolean): void {
    callUserCode(emit)
  }
}

/** The next message, or why it could not be made out, which does not end the connection. */
async function receiveOne<T>(
  connection: MessageConnection<T>,
): Promise<{ message: T } | { failure: unknown } | undefined> {
  try {
    const message = await connection.receive()
    return message === undefined ? undefined : { message }
  } catch (error) {
    const isOfMessage = error instanceof SluiceError && error.code === 'ERR_SLUICE_MESSAGE_INVALID'
    if (isOfMessage && !connection.closed) return { failure: error }
    throw error
  }
}

function disconnected(cause: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_DISCONNECTED',
    'the connection was lost while the message was under way: it may have arrived',
    { cause },
  )
}

function isClosedError(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'ERR_SLUICE_CLOSED'
}

function why(error: unknown): string {
  if (error === undefined) return 'the peer ends each'
  return error instanceof Error ? error.message : 'see cause'
}
