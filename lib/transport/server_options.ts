/** The options of servers of every transport. */
import { checkInteger, checkSignal } from '../core/arguments.js'
import { longestDelay } from '../core/wait_options.js'
import { admissionOptionNames, checkAdmissionOptions, type AdmissionOptions } from './admission.js'
import type { Connection } from './connection.js'
import { checkLimitOptions, limitOptionNames, type LimitOptions } from './limits.js'

/** The options of every {@link Server}. */
export interface ServerOptions<Accepted extends Connection = Connection>
  extends AdmissionOptions<Accepted>, LimitOptions {
  /**
   * Milliseconds that may pass without a byte in either direction, after which a connection is closed
   * with `ERR_SLUICE_TIMEOUT` and counted in `stats().rejected.idle`; by default there is no limit.
   * Connections that nobody has accepted yet do not count. It can take up to an eighth longer.
   */
  idleTimeout?: number
  /** Closes the server when it aborts; default none. */
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
