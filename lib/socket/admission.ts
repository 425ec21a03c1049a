import { checkFunction, checkInteger } from '../core/arguments.js'
import type { PeerCredentials } from './peer_credentials.js'
import type { UnixConnection } from './unix_connection.js'

/** Decides before a byte is read. */
export type Authorize = (
  peer: PeerCredentials,
  connection: UnixConnection,
) => boolean | Promise<boolean>

// Decisions that are waited for at once.
const mostUndecided = 64
const defaultTimeout = 10_000

export interface AdmissionOptions {
  /** See {@link allow}. A connection that is refused is closed; so is one for which it throws. */
  authorize?: Authorize
  /**
   * Milliseconds that `authorize` may take, else the connection is refused; default 10 s. At most 64
   * decisions are waited for at once, so clients that keep them waiting would stop all others.
   */
  authorizeTimeout?: number
}

export const admissionOptionNames = ['authorize', 'authorizeTimeout'] as const

export function checkAdmissionOptions({ authorize, authorizeTimeout }: AdmissionOptions): void {
  if (authorize !== undefined) checkFunction('options.authorize', authorize)
  if (authorizeTimeout !== undefined) {
    checkInteger('options.authorizeTimeout', authorizeTimeout, 1, 2 ** 31 - 1)
  }
}

/** Asks whether connections may come in, and closes those that may not. */
export class Admission {
  readonly #authorize: Authorize | undefined
  readonly #admitted: (connection: UnixConnection) => void
  readonly #undecided = new Set<UnixConnection>()
  /** A decision that was waited for has come. */
  readonly #decided: () => void
  readonly #timeout: number
  #closed = false

  constructor(
    { authorize, authorizeTimeout = defaultTimeout }: AdmissionOptions,
    admitted: (connection: UnixConnection) => void,
    decided: () => void,
  ) {
    this.#authorize = authorize
    this.#timeout = authorizeTimeout
    this.#admitted = admitted
    this.#decided = decided
  }

  /** How many more can be asked about now. */
  get room(): number {
    return mostUndecided - this.#undecided.size
  }

  ask(connection: UnixConnection): void {
    if (this.#authorize === undefined) {
      this.#admitted(connection)
      return
    }
    let verdict: boolean | Promise<boolean>
    try {
      verdict = this.#authorize(connection.peer, connection)
    } catch (error) {
      refuse(connection, error)
      return
    }
    if (typeof verdict === 'boolean') {
      this.#conclude(connection, verdict)
      return
    }
    this.#undecided.add(connection)
    // Late, or when the server was closed, a decision means nothing any more.
    const decide = (conclude: () => void) => {
      clearTimeout(timer)
      if (!this.#undecided.delete(connection)) return
      conclude()
      this.#decided()
    }
    const timer = setTimeout(() => {
      decide(() => {
        refuse(connection, `no answer within ${String(this.#timeout)} ms`)
      })
    }, this.#timeout).unref()
    Promise.resolve(verdict).then(
      (admitted) => {
        decide(() => {
          this.#conclude(connection, admitted)
        })
      },
      (error: unknown) => {
        decide(() => {
          refuse(connection, error)
        })
      },
    )
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#undecided) connection.destroy()
    this.#undecided.clear()
  }

  #conclude(connection: UnixConnection, admitted: unknown): void {
    // Only a plain yes: what a mistake made of it must not open the door.
    if (admitted === true && !this.#closed) this.#admitted(connection)
    else connection.destroy()
  }
}

function refuse(connection: UnixConnection, error: unknown): void {
  connection.destroy()
  process.emitWarning(`authorize failed, the connection is refused: ${String(error)}`, {
    type: 'SluiceWarning',
    code: 'SLUICE_AUTHORIZE_FAILED',
  })
}
