import { EventEmitter } from 'node:events'

import {
  checkInteger,
  checkShape,
  invalidArgument,
  ownOptions,
  type Shape,
} from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { callUserCode } from '../core/user_code.js'
import { closedError } from './duplex_writer.js'
import { messageConnectionShape, type MessageConnection } from './messages.js'

/** The options of {@link messagePort}. */
export interface MessagePortOptions {
  /** Messages that the system has not taken yet, at most; default and most 1024. */
  maxQueuedMessages?: number
}

/** The events of a port; see {@link ConnectionPort}. */
export interface ConnectionPortEvents {
  /** A message has come. */
  message: [message: unknown]
  /** A message could not be decoded, or not be sent; the port goes on. */
  messageerror: [error: Error]
  /** It is over: why, or undefined after `close` or the peer's end. The last event. */
  close: [error: Error | undefined]
}

/** An event as the DOM has it; see {@link ConnectionPort}. */
export interface ConnectionPortEvent {
  /** The event's name. */
  readonly type: string
  /** The message, or the error. */
  readonly data: unknown
  /** The port. */
  readonly target: unknown
}

/** A listener as the DOM has it; see {@link ConnectionPort}. */
export type ConnectionPortListener =
  ((event: ConnectionPortEvent) => void) | { handleEvent(event: ConnectionPortEvent): void }

type Wrapped = (data: unknown) => void

/** A connection holds as many sends that wait. */
const mostQueued = 1024
const listenerShape: Shape<{ handleEvent: () => void }> = { handleEvent: 'function' }

/**
 * A connection of messages as a `MessagePort`, made by {@link messagePort}.
 *
 * Listeners come by `on`, which get the message, or by `addEventListener`, which get an event with it as
 * `data`. Messages are read while somebody listens for them; the peer is held back otherwise.
 *
 * @example
 * ```ts
 * const server = await listen('pipe:app')
 * const options = { codec: 'clone' as const }
 * const one = messagePort(framed(await connect('pipe:app'), options))
 * const other = messagePort(framed(await server.accept(), options))
 * const echo = (event: { data: unknown }) => other.postMessage(event.data)
 * other.addEventListener('message', echo)
 * other.start()
 * one.postMessage(5n)
 * console.log(await new Promise((resolve) => (one.onmessage = ({ data }) => resolve(data)))) // 5n
 * other.removeEventListener('message', echo)
 * for (const each of [one, other, server]) each.close()
 * ```
 */
export class ConnectionPort extends EventEmitter<ConnectionPortEvents> {
  readonly #connection: MessageConnection<unknown>
  readonly #maxQueued: number
  /** The listeners of the DOM's kind, as those of Node's kind. */
  readonly #wrapped = new Map<string, Map<ConnectionPortListener, Wrapped>>()
  #onmessage: ConnectionPortListener | null = null
  #queued = 0
  /** Ends the `receive` that waits. */
  #reading: AbortController | undefined

  /** @internal */
  constructor(connection: MessageConnection<unknown>, maxQueued: number) {
    super()
    this.#connection = connection
    this.#maxQueued = maxQueued
    this.#hearOfListeners()
    void connection.whenClosed.then((error) => {
      callUserCode(() => this.emit('close', error))
    })
  }

  /**
   * Sends a message. It never waits: what becomes of a message that the connection is lost with is told
   * by `'close'`.
   *
   * `transfer` is for those that have it from the DOM: nothing can be transferred to another process.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT` for what cannot be encoded, for undefined, which is no message, and
   * for anything to transfer; `ERR_SLUICE_QUEUE_FULL` beyond `maxQueuedMessages`; `ERR_SLUICE_CLOSED`.
   */
  postMessage(
    message: unknown,
    transfer: readonly unknown[] | { transfer?: readonly unknown[] } = [],
  ): void {
    const things = 'length' in transfer ? transfer : (transfer.transfer ?? [])
    if (things.length > 0) throw invalidArgument('transfer', 'empty: it is another process', things)
    if (message === undefined) throw invalidArgument('message', 'a message', message)
    if (this.#connection.closed) throw closedError()
    if (this.#queued >= this.#maxQueued) {
      throw new SluiceError(
        'ERR_SLUICE_QUEUE_FULL',
        `${String(this.#queued)} messages wait to be sent already (options.maxQueuedMessages)`,
      )
    }
    const sending = this.#connection.send(message)
    this.#queued++
    sending.then(
      () => {
        this.#queued--
      },
      (error: unknown) => {
        this.#queued--
        if (!this.#connection.closed) this.#tellError(error)
      },
    )
  }

  /** Nothing: messages are read as soon as somebody listens. For those who call it, as the DOM wants it. */
  start(): void {
    void this.#read()
  }

  /** Closes the connection at once. Idempotent. */
  close(): void {
    this.#connection.close()
  }

  /** Closes the port at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * The listener of messages that was set last, as the DOM has it; null: none.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT` when it is set to what is no listener
   */
  get onmessage(): ConnectionPortListener | null {
    return this.#onmessage
  }

  set onmessage(listener: ConnectionPortListener | null) {
    if (this.#onmessage !== null) this.removeEventListener('message', this.#onmessage)
    this.#onmessage = listener
    if (listener !== null) this.addEventListener('message', listener)
  }

  /**
   * Adds a listener as the DOM has it: a function, or an object with `handleEvent`. The same one is not
   * added twice.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`
   */
  addEventListener(type: keyof ConnectionPortEvents, listener: ConnectionPortListener): void {
    checkListener(listener)
    const ofType = this.#wrapped.get(type) ?? new Map<ConnectionPortListener, Wrapped>()
    if (ofType.has(listener)) return
    const wrapped = (data: unknown) => {
      const event = { type, data, target: this }
      if (typeof listener === 'function') listener(event)
      else listener.handleEvent(event)
    }
    this.#wrapped.set(type, ofType.set(listener, wrapped))
    this.on(type, wrapped)
  }

  /**
   * Takes back what `addEventListener` has added.
   *
   * @throws `ERR_SLUICE_INVALID_ARGUMENT`; for one that was not added it does nothing
   */
  removeEventListener(type: keyof ConnectionPortEvents, listener: ConnectionPortListener): void {
    checkListener(listener)
    const ofType = this.#wrapped.get(type)
    const wrapped = ofType?.get(listener)
    if (wrapped === undefined) return
    ofType?.delete(listener)
    this.off(type, wrapped)
  }

  /** Takes back all listeners, or those of one event. */
  override removeAllListeners(name?: string | symbol): this {
    if (name === undefined) super.removeAllListeners()
    else super.removeAllListeners(name)
    if (!this.#hearsOfListeners()) this.#hearOfListeners()
    if (this.listenerCount('message') === 0) this.#reading?.abort()
    return this
  }

  #hearsOfListeners(): boolean {
    return EventEmitter.prototype.listenerCount.call(this, 'newListener') > 0
  }

  #hearOfListeners(): void {
    EventEmitter.prototype.on.call(this, 'newListener', (name) => {
      if (name === 'message') queueMicrotask(() => void this.#read())
    })
    EventEmitter.prototype.on.call(this, 'removeListener', (name) => {
      if (name === 'message' && this.listenerCount('message') === 0) this.#reading?.abort()
    })
  }

  /** Only while somebody listens: the peer is held back otherwise. */
  async #read(): Promise<void> {
    if (this.#reading !== undefined) return
    const reading = new AbortController()
    this.#reading = reading
    const isOver = () => reading.signal.aborted
    while (!isOver() && this.listenerCount('message') > 0) {
      try {
        const message = await this.#connection.receive({ signal: reading.signal })
        if (message === undefined) {
          this.close()
          break
        }
        callUserCode(() => this.emit('message', message))
      } catch (error) {
        // What has ended the connection is told by 'close'.
        if (isOver() || this.#connection.closed) break
        this.#tellError(error)
      }
    }
    this.#reading = undefined
    // Somebody may listen again by now.
    if (this.listenerCount('message') > 0 && !this.#connection.closed) void this.#read()
  }

  #tellError(error: unknown): void {
    callUserCode(() => this.emit('messageerror', error as Error))
  }
}

function checkListener(listener: unknown): void {
  if (typeof listener === 'function') return
  checkShape('listener', listener, listenerShape)
}

/**
 * A connection of messages in the form of a `MessagePort`, for packages that speak over such: comlink,
 * birpc and others. The connection is the port's from now on.
 *
 * Unlike between threads, messages are what the codec of the connection has (`codec: 'clone'` comes close to
 * those of a `MessagePort`), nothing can be transferred, and the port ends when the connection does.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const server = await listen('pipe:app')
 * const client = framed(await connect('pipe:app'), { codec: 'clone' })
 * const accepted = framed(await server.accept(), { codec: 'clone' })
 * const [one, other] = [messagePort(client), messagePort(accepted)]
 * other.on('message', (message) => console.log(message)) // Map(1) { 'a' => 1 }
 * one.postMessage(new Map([['a', 1]]))
 * await new Promise((resolve) => other.once('message', resolve))
 * for (const each of [one, other, server]) each.close()
 * ```
 */
export function messagePort(
  connection: MessageConnection<unknown>,
  options: MessagePortOptions = {},
): ConnectionPort {
  checkShape('connection', connection, messageConnectionShape)
  const { maxQueuedMessages = mostQueued } = ownOptions(options, ['maxQueuedMessages'])
  checkInteger('options.maxQueuedMessages', maxQueuedMessages, 1, mostQueued)
  return new ConnectionPort(connection, maxQueuedMessages)
}
