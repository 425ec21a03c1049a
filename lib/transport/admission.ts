import { inspect } from 'node:util'

import { checkFunction, checkInteger } from '../core/arguments.js'
import { timedOut } from '../core/wait_options.js'
import type { Connection } from './connection.js'

/** Decides, before a byte is read, whether a connection may come in; {@link allow} makes one. */
export type Authorize<Accepted extends Connection = Connection> = (
  peer: Accepted['peer'],
  connection: Accepted,
) => boolean | Promise<boolean>

/**
 * Functions that wait for the client's word. One that does not come in time is the client's fault, and no
 * reason to warn the user of the server: any client could fill the log.
 */
export const waitForClients = new WeakSet<object>()

/** How many decisions are waited for at once. */
const mostUndecided = 64
const defaultTimeout = 10_000

/** The options of a {@link Server} about whom to let in. */
export interface AdmissionOptions<Accepted extends Connection = Connection> {
  /**
   * A connection is closed if the answer is not `true`, or if the function throws. By default all are
   * let in that the system lets connect. On Unix sockets {@link allow} makes such functions.
   */
  authorize?: Authorize<Accepted>
  /**
   * Milliseconds that `authorize` may take, else the connection is refused; default 10 s. At most 64
   * decisions are waited for at once, so clients that keep them waiting would stop all others.
   */
  authorizeTimeout?: number
}

export const admissionOptionNames = ['authorize', 'authorizeTimeout'] as const

export function checkAdmissionOptions<Accepted extends Connection>({
  authorize,
  authorizeTimeout,
}: AdmissionOptions<Accepted>): void {
  if (authorize !== undefined) checkFunction('options.authorize', authorize)
  if (authorizeTimeout !== undefined) {
    checkInteger('options.authorizeTimeout', authorizeTimeout, 1, 2 ** 31 - 1)
  }
}

/** The events that an admission tells its server of. */
export interface AdmissionEvents<Accepted extends Connection> {
  admitted(connection: Accepted): void
  /** `error`: why no answer came. */
  refused(error?: Error): void
  /** A decision that was waited for has come. */
  decided(): void
}

/** Asks whether connections may come in, and closes those that may not. */
export class Admission<Accepted extends Connection> {
  readonly #authorize: Authorize<Accepted> | undefined
  readonly #events: AdmissionEvents<Accepted>
  readonly #undecided = new Map<Accepted, NodeJS.Timeout>()
  readonly #timeout: number
  #closed = false

  constructor(
    { authorize, authorizeTimeout = defaultTimeout }: AdmissionOptions<Accepted>,
    events: AdmissionEvents<Accepted>,
  ) {
    this.#authorize = authorize
    this.#timeout = authorizeTimeout
    this.#events = events
  }

  /** How many more can be asked about now. */
  get room(): number {
    return mostUndecided - this.#undecided.size
  }

  ask(connection: Accepted): void {
    if (this.#authorize === undefined) {
      this.#events.admitted(connection)
      return
    }
    let verdict: boolean | Promise<boolean>
    try {
      verdict = this.#authorize(connection.peer, connection)
    } catch (error) {
      this.#refuse(connection, error)
      return
    }
    if (typeof verdict === 'boolean') this.#conclude(connection, verdict)
    else this.#await(connection, verdict)
  }

  close(): void {
    this.#closed = true
    for (const [connection, timer] of this.#undecided) {
      clearTimeout(timer)
      connection.destroy()
    }
    this.#undecided.clear()
  }

  #await(connection: Accepted, verdict: Promise<boolean>): void {
    // Late, or when the server was closed, a decision means nothing any more.
    const decide = (conclude: () => void) => {
      clearTimeout(timer)
      if (!this.#undecided.delete(connection)) return
      conclude()
      this.#events.decided()
    }
    const timer = setTimeout(() => {
      decide(() => {
        if (this.#authorize !== undefined && waitForClients.has(this.#authorize)) {
          this.#conclude(connection, false)
          return
        }
        const error = timedOut('authorize', this.#timeout)
        this.#refuse(connection, error, `no answer within ${String(this.#timeout)} ms`)
      })
    }, this.#timeout).unref()
    this.#undecided.set(connection, timer)
    Promise.resolve(verdict).then(
      (admitted) => {
        decide(() => {
          this.#conclude(connection, admitted)
        })
      },
      (error: unknown) => {
        decide(() => {
          this.#refuse(connection, error)
        })
      },
    )
  }

  #conclude(connection: Accepted, admitted: unknown): void {
    // Only a plain yes: a mistake in the answer must not open the door.
    if (admitted === true && !this.#closed && !connection.destroyed) {
      this.#events.admitted(connection)
    } else {
      connection.destroy()
      this.#events.refused()
    }
  }

  #refuse(connection: Accepted, error: unknown, why = shown(error)): void {
    connection.destroy()
    this.#events.refused(error instanceof Error ? error : undefined)
    process.emitWarning(`authorize failed, the connection is refused: ${why}`, {
      type: 'SluiceWarning',
      code: 'SLUICE_AUTHORIZE_FAILED',
    })
  }
}

/** Not every value that can be thrown has a string form. */
function shown(error: unknown): string {
  return error instanceof Error || typeof error === 'string' ? String(error) : inspect(error)
}
