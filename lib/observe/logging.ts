import diagnostics from 'node:diagnostics_channel'

import { checkShape } from '../core/arguments.js'
import type {
  ConnectionCloseMessage,
  ConnectionErrorMessage,
  ConnectionOpenMessage,
  ObservedConnection,
  ServerRejectMessage,
} from '../transport/index.js'

/** The part of a logger that {@link logEvents} needs: `pino()`, or an object of your own. */
export interface EventLogger {
  /** Logs what is as it should be. */
  debug(facts: object, message: string): void
  /** Logs failures and rejections. */
  warn(facts: object, message: string): void
}

/**
 * Logs what happens to all connections and servers of this process with any logger that is like pino's:
 * opened and closed connections with `debug`, failures and rejections with `warn`. What goes over the
 * connections is never logged.
 *
 * @returns a function that ends it
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const stop = logEvents({
 *   debug: (facts, message) => console.debug(message, facts),
 *   warn: (facts, message) => console.warn(message, facts),
 * })
 * stop()
 * ```
 */
export function logEvents(logger: EventLogger): () => void {
  checkShape<EventLogger>('logger', logger, { debug: 'function', warn: 'function' })
  const listeners: readonly [string, (message: unknown) => void][] = [
    [
      'sluice:connection:open',
      (message) => {
        const { connection } = message as ConnectionOpenMessage
        logger.debug(peerOf(connection), 'connection opened')
      },
    ],
    [
      'sluice:connection:close',
      (message) => {
        const { connection, bytesRead, bytesWritten } = message as ConnectionCloseMessage
        logger.debug({ ...peerOf(connection), bytesRead, bytesWritten }, 'connection closed')
      },
    ],
    [
      'sluice:connection:error',
      (message) => {
        const { connection, error } = message as ConnectionErrorMessage
        logger.warn({ ...peerOf(connection), err: error }, 'connection failed')
      },
    ],
    [
      'sluice:server:reject',
      (message) => {
        const { reason, error } = message as ServerRejectMessage
        logger.warn({ reason, ...(error && { err: error }) }, 'client turned away')
      },
    ],
  ]
  for (const [name, listener] of listeners) diagnostics.subscribe(name, listener)
  return () => {
    for (const [name, listener] of listeners) diagnostics.unsubscribe(name, listener)
  }
}

function peerOf({ peer }: ObservedConnection): { pid: number | undefined; user: unknown } {
  return { pid: peer.pid, user: peer.user }
}
