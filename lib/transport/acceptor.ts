/** The contract between a server and what brings it connections. */
import type { Shape } from '../core/arguments.js'
import type { Connection } from './connection.js'
import type { Peer } from './peer.js'
import type { RejectionReason } from './rejections.js'

/** The events that an {@link Acceptor} tells its {@link Server} of. */
export interface AcceptorEvents<Arrived extends Connection> {
  /** Somebody has connected. */
  arrived(connection: Arrived): void
  /**
   * Why a client that has come may not come in; undefined when it may. An acceptor that asks before it
   * makes a connection, and then lets the client go and tells `refused`, spends nothing on those that are
   * too many. It need not ask: `arrived` looks once more. `user` is called only where users are counted.
   */
  refuses(user: () => Peer['user']): RejectionReason | undefined
  /**
   * The acceptor has turned a client away itself, which is counted. `error`: what went wrong with it; no
   * `accept` fails with it.
   */
  refused(reason: RejectionReason, error?: Error): void
  /** No connection can be taken in for now; the acceptor tries again by itself. */
  stalled(error: Error): void
  /** No connection can be taken in any more: those that wait to accept fail with it. */
  failed(error: Error): void
}

/**
 * Brings connections to one {@link Server}. Somebody who writes a transport implements it and passes
 * it to `new Server(acceptor)`. No method is called after `close`, and none before `attach`.
 */
export interface Acceptor<Accepted extends Connection, Arrived extends Connection = Accepted> {
  /** How many connections may wait in the server to be accepted. */
  readonly poolSize: number
  /**
   * Whether connections are taken in before anybody accepts them: true where only a connection that
   * was taken in makes room for the next client, false where the system keeps them.
   */
  readonly takesAhead: boolean
  /** Whether clients can reach it, where an open acceptor can lose its name. Optional. */
  readonly listening?: boolean
  /** Whether the acceptor keeps the process alive. */
  ref: boolean

  /** Called once, by the constructor of the server; the first `welcome` follows. */
  attach(events: AcceptorEvents<Arrived>): void

  /**
   * So many more connections are wanted; 0: none. Called before a connection is handed out, so that a
   * name which lives by those that wait at it never goes.
   */
  welcome(count: number): void
  /** A look for connections that are there already; `certainly`: even if it does not seem so. Optional. */
  acceptNow?(count: number, certainly: boolean): void

  /**
   * Agrees with a client that was let in on how to talk, and resolves with the connection to hand out;
   * optional. A client for whom it rejects is turned away. It ends in time by itself, and when the
   * connection closes.
   */
  handshake?(connection: Arrived): Promise<Accepted>

  /** Stops listening, and lets go of the name. */
  close(): void
}

export const acceptorShape: Shape<Acceptor<Connection>> = {
  poolSize: 'number',
  takesAhead: 'boolean',
  ref: 'boolean',
  attach: 'function',
  welcome: 'function',
  close: 'function',
}
