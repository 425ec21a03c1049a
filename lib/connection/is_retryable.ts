import { types } from 'node:util'

/** Failures that pass: of a server that is away or busy, of a peer that has gone, of a system that is full. */
const passing: ReadonlySet<unknown> = new Set([
  // Nobody listens, for now.
  'ECONNREFUSED',
  'ENOENT',
  'ENODEV',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EAI_AGAIN',
  // The connection is lost.
  'ECONNABORTED',
  'ECONNRESET',
  'ENOTCONN',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_SLUICE_DISCONNECTED',
  'ERR_SLUICE_HEARTBEAT_TIMEOUT',
  'ERR_SLUICE_MESSAGE_TRUNCATED',
  'ERR_SLUICE_PEER_CLOSED',
  'ERR_SLUICE_PEER_DIED',
  'ERR_SLUICE_TIMEOUT',
  // There is no room, for now.
  'EAGAIN',
  'EBUSY',
  'EINTR',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
])

/**
 * Whether trying again may help: the server is away or busy, the peer has gone, the system is full for now.
 * Not so for wrong arguments, missing rights, peers that are broken, objects that were closed, and whatever
 * is not known. Errors of Node's own calls are told as well.
 *
 * A server that is not there looks on Unix sockets as one that never was (`ENOENT`), and counts as away.
 *
 * @example
 * ```ts
 * const connection = await connectUnix('/run/app/app.sock').catch((error: unknown) => {
 *   if (isRetryable(error)) return undefined // later
 *   throw error
 * })
 * console.log(connection?.peer.uid)
 * ```
 */
export function isRetryable(error: unknown): boolean {
  // Errors of any realm count.
  if (!types.isNativeError(error)) return false
  return passing.has((error as { code?: unknown }).code)
}
