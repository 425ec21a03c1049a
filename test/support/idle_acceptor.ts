import type { Acceptor, Connection } from '../../lib/index.js'

/** An acceptor that nobody connects to. */
export const idleAcceptor: Acceptor<Connection> = {
  poolSize: 1,
  takesAhead: false,
  ref: true,
  attach: () => undefined,
  welcome: () => undefined,
  close: () => undefined,
}
