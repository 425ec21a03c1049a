/** The connections of one server, and how many bytes they have moved. */
import { Connection } from './connection.js'
import type { Peer } from './peer.js'

export class Guests {
  readonly #guests = new Set<Guest>()
  /** Undefined: users are not counted. */
  readonly #perUser: Map<Peer['user'], number> | undefined
  /** Kept only where a handshake may make another connection of one. */
  readonly #handshakes: WeakMap<Connection, Guest> | undefined
  readonly #whenLeft: () => void
  #bytesRead = 0
  #bytesWritten = 0
  #sweptInThisTurn = false

  /** `whenLeft` is called when a connection has closed. */
  constructor(
    { countsUsers, handshakes }: { countsUsers: boolean; handshakes: boolean },
    whenLeft: () => void,
  ) {
    this.#perUser = countsUsers ? new Map() : undefined
    this.#handshakes = handshakes ? new WeakMap() : undefined
    this.#whenLeft = whenLeft
  }

  /** Connections that have not closed, also those that are closing. */
  get size(): number {
    return this.#guests.size
  }

  countOf(user: Peer['user']): number {
    return this.#perUser?.get(user) ?? 0
  }

  add(connection: Connection): void {
    // Only where it is counted: to ask who a peer is can take a system call.
    const user = this.#perUser === undefined ? undefined : connection.peer.user
    this.#perUser?.set(user, this.countOf(user) + 1)
    const guest = new Guest(connection, user, this.#left)
    this.#guests.add(guest)
    this.#handshakes?.set(connection, guest)
    Connection.whenClosed(connection, guest)
  }

  /** A handshake has made another connection of it. */
  replace(arrived: Connection, ready: Connection): void {
    this.#handshakes?.get(arrived)?.become(ready)
  }

  /** Connections that are not closing, which takes a while on some transports. */
  open(): Connection[] {
    const open: Connection[] = []
    for (const { connection } of this.#guests) {
      if (connection?.destroyed === false) open.push(connection)
    }
    return open
  }

  /**
   * Lets go of connections that were dropped without `close`, and then garbage-collected. Once in a turn
   * of the event loop: the collector takes none that was looked at in the same turn, and a flood of
   * clients must not have all connections looked at for each.
   */
  forgetCollected(): void {
    if (this.#sweptInThisTurn) return
    this.#sweptInThisTurn = true
    setImmediate(() => {
      this.#sweptInThisTurn = false
    }).unref()
    for (const guest of this.#guests) if (guest.connection === undefined) this.#forget(guest)
  }

  /** Bytes of open and of closed connections; without those that were dropped and not closed. */
  bytes(): { bytesRead: number; bytesWritten: number } {
    let [bytesRead, bytesWritten] = [this.#bytesRead, this.#bytesWritten]
    for (const { connection } of this.#guests) {
      bytesRead += connection?.bytesRead ?? 0
      bytesWritten += connection?.bytesWritten ?? 0
    }
    return { bytesRead, bytesWritten }
  }

  /** False: it was forgotten before. */
  #forget(guest: Guest): boolean {
    if (!this.#guests.delete(guest)) return false
    const left = this.countOf(guest.user) - 1
    if (left > 0) this.#perUser?.set(guest.user, left)
    else this.#perUser?.delete(guest.user)
    return true
  }

  readonly #left = (guest: Guest, closed: Connection): void => {
    if (!this.#forget(guest)) return
    const { bytesRead, bytesWritten } = guest.connection ?? closed
    this.#bytesRead += bytesRead
    this.#bytesWritten += bytesWritten
    this.#whenLeft()
  }
}

/** A note of one connection; weakly, so that one that is dropped without `close` is found out. */
class Guest {
  readonly user: Peer['user']
  #connection: WeakRef<Connection>
  readonly #whenLeft: (guest: Guest, connection: Connection) => void

  constructor(
    connection: Connection,
    user: Peer['user'],
    whenLeft: (guest: Guest, connection: Connection) => void,
  ) {
    this.#connection = new WeakRef(connection)
    this.user = user
    this.#whenLeft = whenLeft
  }

  get connection(): Connection | undefined {
    return this.#connection.deref()
  }

  become(connection: Connection): void {
    this.#connection = new WeakRef(connection)
    Connection.whenClosed(connection, this)
  }

  /** The connection's call; of one that has become another, perhaps of both. */
  left(connection: Connection): void {
    this.#whenLeft(this, connection)
  }
}
