/** How many connections a server takes in: at once, in a second, and of one user. */
import { invalidArgument } from '../core/arguments.js'
import type { Guests } from './guests.js'
import type { Peer } from './peer.js'
import { RateLimit } from './rate_limit.js'
import type { RejectionReason } from './rejections.js'

/** How many connections a {@link Server} takes in. */
export interface LimitOptions {
  /**
   * Connections that may be open at once; default 1024, `Infinity` for no limit. Clients that come at
   * the limit are closed at once, and counted in `stats().rejected.limit`.
   */
  maxConnections?: number
  /**
   * Connections that may come in one second; by default there is no limit. So many can come at once
   * after a quiet second. Clients beyond are closed at once, and counted in `stats().rejected.rate`.
   */
  maxConnectionsPerSecond?: number
  /**
   * Connections of one user (`peer.user`) that may be open at once; by default there is no limit.
   * Clients whose user the system does not tell count as one user. Clients beyond are closed at once,
   * and counted in `stats().rejected.user`.
   */
  maxConnectionsPerUser?: number
}

export const limitOptionNames = [
  'maxConnections',
  'maxConnectionsPerSecond',
  'maxConnectionsPerUser',
] as const

const defaultMaxConnections = 1024

export function checkLimitOptions(options: LimitOptions): void {
  for (const name of limitOptionNames) {
    const value = options[name]
    if (value === undefined || value === Infinity) continue
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalidArgument(`options.${name}`, 'an integer, 1 or more, or Infinity', value)
    }
  }
}

export class Limits {
  readonly #most: number
  readonly #mostPerUser: number
  readonly #rate: RateLimit | undefined

  constructor({
    maxConnections = defaultMaxConnections,
    maxConnectionsPerSecond = Infinity,
    maxConnectionsPerUser = Infinity,
  }: LimitOptions) {
    this.#most = maxConnections
    this.#mostPerUser = maxConnectionsPerUser
    this.#rate =
      maxConnectionsPerSecond === Infinity ? undefined : new RateLimit(maxConnectionsPerSecond)
  }

  get countsUsers(): boolean {
    return this.#mostPerUser !== Infinity
  }

  /** Whether the next client would be closed, whoever it is. */
  isFull(guests: Guests): boolean {
    if (guests.size < this.#most) return false
    guests.forgetCollected()
    return guests.size >= this.#most
  }

  /** Why a client may not come in. The user is asked for only where it is counted. */
  refusal(guests: Guests, user: () => Peer['user']): RejectionReason | undefined {
    if (this.isFull(guests)) return 'limit'
    if (this.#rate?.hasRoom() === false) return 'rate'
    if (!this.countsUsers) return undefined
    const name = user()
    if (guests.countOf(name) < this.#mostPerUser) return undefined
    guests.forgetCollected()
    return guests.countOf(name) < this.#mostPerUser ? undefined : 'user'
  }

  /** A client has come in. */
  admitted(): void {
    this.#rate?.take()
  }
}
