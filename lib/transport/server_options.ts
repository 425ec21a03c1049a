/** The options of servers of every transport, and the answers about them. */
import { checkInteger, checkSignal } from '../core/arguments.js'
import { longestDelay } from '../core/wait_options.js'
import { admissionOptionNames, checkAdmissionOptions, type AdmissionOptions } from './admission.js'
import type { Connection } from './connection.js'
import { checkLimitOptions, limitOptionNames, type LimitOptions } from './limits.js'
import type { Rejections } from './rejections.js'

export interface ServerOptions<Accepted extends Connection = Connection>
  extends AdmissionOptions<Accepted>, LimitOptions {
  /**
   * Milliseconds that may pass without a byte in either direction, after which a connection is closed
   * with `ERR_SLUICE_TIMEOUT` and counted in `stats().rejected.idle`; by default there is no limit.
   * Connections that nobody has accepted yet do not count. It can take up to an eighth longer.
   */
  idleTimeout?: number
  /** Closes the server when it aborts. */
  signal?: AbortSignal
}

export const serverOptionNames = [
  'idleTimeout',
  'signal',
  ...limitOptionNames,
  ...admissionOptionNames,
] as const

export function checkServerOptions<Accepted extends Connection>(
  options: ServerOptions<Accepted>,
): void {
  checkAdmissionOptions(options)
  checkLimitOptions(options)
  checkSignal('options.signal', options.signal)
  const { idleTimeout } = options
  if (idleTimeout !== undefined) checkInteger('options.idleTimeout', idleTimeout, 1, longestDelay)
}

/** Counts of one server. */
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

/** An answer for a health check. */
export interface ServerHealth {
  /** Whether clients can reach the server: it is open, and its name leads to it. */
  listening: boolean
  /** Connections that are open. */
  connections: number
  /** The last failure to take in a connection, or to have the name again; undefined if there was none. */
  lastError: Error | undefined
}

export interface ShutdownResult {
  /** Connections that ended by themselves. */
  finished: number
  /** Connections that were still open at the end, and were destroyed. */
  cutOff: number
}
