/**
 * Channels of `node:diagnostics_channel`: what happens to connections and servers, for whoever subscribes.
 * Messages are made only where `hasSubscribers` holds: nothing is paid while nobody subscribes.
 */
import diagnostics from 'node:diagnostics_channel'
import type { Duplex } from 'node:stream'

import type { Peer } from './peer.js'
import type { RejectionReason } from './rejections.js'
import type { ServerHealth, ServerStats } from './server_stats.js'

/** A `Connection`, as far as it is the same over every transport; in a {@link ConnectionOpenMessage}. */
export interface ObservedConnection extends Duplex {
  /** The process at the other end. */
  readonly peer: Peer
  /** Bytes that have come so far. */
  readonly bytesRead: number
  /** Bytes that the system has taken so far. */
  readonly bytesWritten: number
}

/** A `Server`, whatever its connections are; what {@link registerMetrics} takes. */
export interface ObservedServer {
  /** Whether it no longer listens. */
  readonly closed: boolean
  /** The counts of {@link Server.stats}. */
  stats(): ServerStats
  /** The answer of {@link Server.health}. */
  health(): ServerHealth
}

/**
 * The message of `sluice:connection:open`, a channel of `node:diagnostics_channel`: a connection was made,
 * by this side or the other.
 *
 * @example
 * ```ts
 * import diagnostics from 'node:diagnostics_channel'
 * import type { ConnectionOpenMessage } from 'sluice'
 *
 * const listener = (message: unknown) => {
 *   const { connection } = message as ConnectionOpenMessage
 *   console.log('opened', connection.peer.user) // undefined: over TCP nobody tells
 * }
 * diagnostics.subscribe('sluice:connection:open', listener)
 * const server = await listen('tcp:127.0.0.1:0')
 * const client = await connect(server.address)
 * const accepted = await server.accept()
 * diagnostics.unsubscribe('sluice:connection:open', listener)
 * for (const one of [client, accepted, server]) one.close()
 * ```
 */
export interface ConnectionOpenMessage {
  /** The connection, which may be read and written by others. */
  connection: ObservedConnection
}

/**
 * The message of `sluice:connection:close`: a connection has closed; the last of it. Subscribed to as is
 * shown at {@link ConnectionOpenMessage}.
 */
export interface ConnectionCloseMessage {
  /** The connection, which is closed. */
  connection: ObservedConnection
  /** Bytes that have come over it. */
  bytesRead: number
  /** Bytes that the system has taken for it. */
  bytesWritten: number
}

/**
 * The message of `sluice:connection:error`: a connection is closed by a failure, or aborted with a reason.
 * Subscribed to as is shown at {@link ConnectionOpenMessage}.
 */
export interface ConnectionErrorMessage {
  /** The connection, which is being closed. */
  connection: ObservedConnection
  /** The error that it failed with, or the reason that `abort` was given. */
  error: unknown
}

/**
 * The message of `sluice:server:reject`: a server has closed a connection by itself. Subscribed to as is
 * shown at {@link ConnectionOpenMessage}.
 */
export interface ServerRejectMessage {
  /** The server. */
  server: ObservedServer
  /** Why it has closed the connection. */
  reason: RejectionReason
  /** The failure, if there was one: none at a limit. */
  error: Error | undefined
}

export const connectionOpen = diagnostics.channel('sluice:connection:open')
export const connectionClose = diagnostics.channel('sluice:connection:close')
export const connectionError = diagnostics.channel('sluice:connection:error')
export const serverReject = diagnostics.channel('sluice:server:reject')

/** Tells of a connection whose constructors have not all run yet. */
export function tellOpened(connection: ObservedConnection): void {
  queueMicrotask(() => {
    const message: ConnectionOpenMessage = { connection }
    connectionOpen.publish(message)
  })
}
