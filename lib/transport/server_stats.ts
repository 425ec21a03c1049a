/** The answers about a server. */
import type { Rejections } from './rejections.js'

/** Counts of one {@link Server}. */
export interface ServerStats {
  /** Connections that are open, those that nobody has accepted yet included. */
  open: number
  /** Open connections that were let in and wait for an `accept`. */
  waiting: number
  /** Connections let in since the server began. */
  admitted: number
  /** Connections that the server has closed by itself since it began, by reason. */
  rejected: Rejections
  /** Bytes that have come over connections of this server, open and closed. */
  bytesRead: number
  /** Bytes that the system has taken for connections of this server, open and closed. */
  bytesWritten: number
}

/** The answer of {@link Server.health}. */
export interface ServerHealth {
  /** Whether clients can reach the server: it is open, and its name leads to it. */
  listening: boolean
  /** Connections that are open. */
  connections: number
  /** The last failure to take in a connection, or to have the name again; undefined if there was none. */
  lastError: Error | undefined
}

/** The result of {@link Server.shutdown}. */
export interface ShutdownResult {
  /** Connections that ended by themselves. */
  finished: number
  /** Connections that were still open at the end, and were destroyed. */
  cutOff: number
}
