/**
 * The protocol of `send` and `recv` over a connection, in messages of `framed`. Each side begins with its
 * greeting. The sender sends the bytes, and at the end a message without any. The receiver answers each
 * of these, the end as well, by an empty message, when the bytes are written out.
 *
 * A stream alone would not do: one that a process leaves when it dies ends as any other does.
 */
import { framed, isSystemError, type Connection, type FramedConnection } from '../../index.js'
import { CommandFailure, isSluiceError } from '../failure.js'
import { formatSeconds } from '../format.js'

export type Role = 'sender' | 'receiver'

/** The other side's role. */
export const opposite = { sender: 'receiver', receiver: 'sender' } as const

/** The command of each role. */
export const commandOf = { sender: 'send', receiver: 'recv' } as const

/** Bytes of the longest message: short, for a slow receiver's answers to tell that it is moving. */
export const longestPiece = 65536

/** The end of the bytes, and the receiver's answer to each message. */
export const emptyMessage = Buffer.alloc(0)

const greetings = { sender: 'sluice send 1', receiver: 'sluice recv 1' } as const

/** One side's end of such a connection. */
export class Line {
  readonly messages: FramedConnection<Buffer, Uint8Array>
  /** The address at which the two have met, as it is typed. */
  readonly shown: string
  readonly #role: Role
  readonly #pid: number | undefined

  constructor(role: Role, connection: Connection, shown: string) {
    this.#role = role
    this.#pid = connection.peer.pid
    this.shown = shown
    this.messages = framed(connection, { maxLength: longestPiece })
  }

  /** Resolves when the other side is known to be the one that is wanted. */
  async greet(timeout: number | undefined, signal: AbortSignal): Promise<void> {
    const other = opposite[this.#role]
    try {
      await this.messages.send(Buffer.from(greetings[this.#role]), { signal })
      const wait = { signal, ...(timeout !== undefined && { timeout }) }
      const greeting = (await this.messages.receive(wait))?.toString()
      if (greeting === undefined) throw this.#closedAtOnce()
      if (greeting === greetings[other]) return
      if (greeting === greetings[this.#role]) {
        throw new CommandFailure(`at the other end of ${this.shown} is a ${this.#role}, too`)
      }
      throw this.#stranger()
    } catch (error) {
      if (isSluiceError(error, 'ERR_SLUICE_TIMEOUT')) {
        throw nobodyCame(this.#role, this.shown, timeout)
      }
      throw this.isLost(error) ? this.#closedAtOnce() : this.explained(error)
    }
  }

  /** Whether the other side has gone. */
  isLost(error: unknown): boolean {
    return (
      isSystemError(error, 'EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH') ||
      isSluiceError(error, 'ERR_SLUICE_PEER_DIED') ||
      isSluiceError(error, 'ERR_SLUICE_PEER_CLOSED') ||
      isSluiceError(error, 'ERR_SLUICE_CLOSED') ||
      isSluiceError(error, 'ERR_SLUICE_MESSAGE_TRUNCATED')
    )
  }

  /** The error that tells a person of a failure of the connection. */
  explained(error: unknown): unknown {
    if (isSluiceError(error, 'ERR_SLUICE_MESSAGE_TOO_LONG')) return this.#stranger()
    return this.isLost(error) ? this.gone() : error
  }

  gone(): CommandFailure {
    const process_ = this.#pid === undefined ? '' : `, process ${String(this.#pid)},`
    const early = this.#role === 'sender' ? 'before it had everything' : 'before its end'
    return new CommandFailure(
      `the ${opposite[this.#role]} of ${this.shown}${process_} died or was stopped ${early}`,
    )
  }

  #stranger(): CommandFailure {
    return new CommandFailure(`at the other end of ${this.shown} is no ${this.#wanted()}`)
  }

  #closedAtOnce(): CommandFailure {
    return new CommandFailure(
      `the other end of ${this.shown} has closed at once: it is no ${this.#wanted()}, or one that ` +
        `has a ${this.#role} already or takes none of this user`,
    )
  }

  #wanted(): string {
    return `"sluice ${commandOf[opposite[this.#role]]}"`
  }
}

export function nobodyCame(role: Role, shown: string, timeout: number | undefined): CommandFailure {
  return new CommandFailure(
    `no ${opposite[role]} has come to ${shown} within ${formatSeconds(timeout ?? 0)}`,
  )
}
