/** Why clients are turned away, and how often that was. */

/**
 * Why a {@link Server} has closed a connection by itself.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `'limit'` | `maxConnections` were open |
 * | `'rate'` | more came than `maxConnectionsPerSecond` |
 * | `'user'` | `maxConnectionsPerUser` of that user were open |
 * | `'authorize'` | `authorize` did not say yes, in time |
 * | `'handshake'` | the connection could not be set up: the client left, or broke the transport's rules |
 * | `'idle'` | no byte came or went for `idleTimeout` |
 */
export type RejectionReason = 'limit' | 'rate' | 'user' | 'authorize' | 'handshake' | 'idle'

/** Connections that a {@link Server} has closed by itself, by reason. */
export type Rejections = Record<RejectionReason, number>

export function noRejections(): Rejections {
  return { limit: 0, rate: 0, user: 0, authorize: 0, handshake: 0, idle: 0 }
}
