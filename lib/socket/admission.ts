import type { PeerCredentials } from './peer_credentials.js'
import type { UnixConnection } from './unix_connection.js'

/** Decides before a byte is read. */
export type Authorize = (
  peer: PeerCredentials,
  connection: UnixConnection,
) => boolean | Promise<boolean>

// Decisions that are waited for at once.
const mostUndecided = 64

/** Asks whether connections may come in, and closes those that may not. */
export class Admission {
  readonly #authorize: Authorize | undefined
  readonly #admitted: (connection: UnixConnection) => void
  readonly #undecided = new Set<UnixConnection>()
  /** A decision that was waited for has come. */
  readonly #decided: () => void

  constructor(
    authorize: Authorize | undefined,
    admitted: (connection: UnixConnection) => void,
    decided: () => void,
  ) {
    this.#authorize = authorize
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
    Promise.resolve(verdict).then(
      (admitted) => {
        if (!this.#undecided.delete(connection)) return // the server was closed
        this.#conclude(connection, admitted)
        this.#decided()
      },
      (error: unknown) => {
        if (!this.#undecided.delete(connection)) return
        refuse(connection, error)
        this.#decided()
      },
    )
  }

  close(): void {
    for (const connection of this.#undecided) connection.destroy()
    this.#undecided.clear()
  }

  #conclude(connection: UnixConnection, admitted: unknown): void {
    // Only a plain yes: what a mistake made of it must not open the door.
    if (admitted === true) this.#admitted(connection)
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
