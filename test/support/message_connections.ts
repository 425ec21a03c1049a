/** Connections of messages for tests: over a transport that keeps boundaries, and one of no transport at all. */
import type { Connection, MessageConnection, WaitOptions } from '../../lib/index.js'

/** The messages of a connection that keeps boundaries. */
export function messagesOver(
  connection: Pick<Connection, 'destroyed' | 'send' | 'receive' | 'close' | 'once' | 'on'>,
): MessageConnection {
  let failure: Error | undefined
  connection.on('error', (error: Error) => {
    failure = error
  })
  const whenClosed = new Promise<Error | undefined>((resolve) => {
    connection.once('close', () => {
      resolve(failure)
    })
  })
  return {
    get closed() {
      return connection.destroyed
    },
    send: (message, options) => connection.send(message, options),
    receive: async (options) => (await connection.receive(options))?.data,
    close: () => {
      connection.close()
    },
    whenClosed,
  }
}

/** A connection whose other end is the test. */
export class FakeConnection<T = string> implements MessageConnection<T> {
  closed = false
  readonly sent: T[] = []
  /** Sends wait until `accept` or the end. */
  holds = false
  readonly #held: { message: T; resolve: () => void; reject: (error: unknown) => void }[] = []
  readonly #inbox: (T | undefined)[] = []
  #receiving:
    { resolve: (message: T | undefined) => void; reject: (e: unknown) => void } | undefined
  #tell: (error: Error | undefined) => void = () => undefined
  readonly whenClosed = new Promise<Error | undefined>((resolve) => {
    this.#tell = resolve
  })

  send(message: T, { signal }: WaitOptions = {}): Promise<void> {
    if (this.closed) return Promise.reject(new Error('sent on a closed connection'))
    if (!this.holds) {
      this.sent.push(message)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const held = { message, resolve, reject }
      this.#held.push(held)
      signal?.addEventListener('abort', () => {
        this.#held.splice(this.#held.indexOf(held), 1)
        reject(signal.reason as Error)
      })
    })
  }

  /** The system takes what is held. */
  accept(): void {
    for (const { message, resolve } of this.#held.splice(0)) {
      this.sent.push(message)
      resolve()
    }
  }

  receive(): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#inbox.length > 0) resolve(this.#inbox.shift())
      else if (this.closed) reject(new Error('received on a closed connection'))
      else this.#receiving = { resolve, reject }
    })
  }

  /** Something comes; undefined: the end. */
  deliver(message: T | undefined): void {
    const receiving = this.#receiving
    this.#receiving = undefined
    if (receiving === undefined) this.#inbox.push(message)
    else receiving.resolve(message)
  }

  close(): void {
    this.fail(undefined)
  }

  /** It is lost. */
  fail(error: Error | undefined): void {
    if (this.closed) return
    this.closed = true
    const reason = error ?? new Error('closed')
    for (const { reject } of this.#held.splice(0)) reject(reason)
    this.#receiving?.reject(reason)
    this.#tell(error)
  }
}
