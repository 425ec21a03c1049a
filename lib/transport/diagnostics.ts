/**
 * Channels of `node:diagnostics_channel`: what happens to connections and servers, for whoever subscribes.
 * Messages are made only where `hasSubscribers` holds: nothing is paid while nobody subscribes.
 */
import diagnostics from 'node:diagnostics_channel'
import type { Duplex } from 'node:stream'

import type { Peer } from './peer.js'
import type { RejectionReason } from './rejections.js'
import type { ServerHealth, ServerStats } from './server_stats.js'

/** A `Connection`, as far as it is the same over every transport. */
export interface ObservedConnection extends Duplex {
  readonly peer: Peer
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** A `Server`, whatever its connections are. */
export interface ObservedServer {
  readonly closed: boolean
  stats(): ServerStats
  health(): ServerHealth
}

/** The message of `sluice:connection:open`: a connection was made, by this side or the other. */
export interface ConnectionOpenMessage {
  connection: ObservedConnection
}

/** The message of `sluice:connection:close`: a connection has closed; the last of it. */
export interface ConnectionCloseMessage {
  connection: ObservedConnection
  bytesRead: number
  bytesWritten: number
}

/** The message of `sluice:connection:error`: a connection is closed by a failure, or aborted with a reason. */
export interface ConnectionErrorMessage {
  connection: ObservedConnection
  error: unknown
}

/** The message of `sluice:server:reject`: a server has closed a connection by itself. */
export interface ServerRejectMessage {
  server: ObservedServer
  reason: RejectionReason
  /** What went wrong, where something did. */
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
