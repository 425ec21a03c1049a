/** The options of connections of every transport, and the types in which those differ. */
import { checkBoolean, checkInteger } from '../core/arguments.js'
import { longestDelay, type WaitOptions } from '../core/wait_options.js'
import type { Peer } from './peer.js'
import type { ReceivedMessage } from './transport.js'

/** The options of a {@link Connection} over every transport. */
export interface ConnectionOptions {
  /**
   * Default false: when the peer has ended its side, this side ends too. Take true for TLS over the
   * connection, whose last records are cut off otherwise.
   */
  allowHalfOpen?: boolean
  /** Bytes that the stream keeps unread and unwritten at most; default 64 KiB each. */
  highWaterMark?: number
}

export const connectionOptionNames = ['allowHalfOpen', 'highWaterMark', 'endTimeout'] as const

export function checkConnectionOptions(options: ConnectionOptions & EndTimeout): void {
  const { allowHalfOpen, highWaterMark, endTimeout } = options
  if (allowHalfOpen !== undefined) checkBoolean('options.allowHalfOpen', allowHalfOpen)
  if (highWaterMark !== undefined) checkInteger('options.highWaterMark', highWaterMark, 0)
  if (endTimeout !== undefined) checkInteger('options.endTimeout', endTimeout, 0, longestDelay)
}

/** The options of {@link Connection.send}. Transports that carry more than bytes add a member. */
export type SendOptions = WaitOptions

/** The types in which the connections of one transport differ from a {@link Connection} in general. */
export interface ConnectionTypes {
  /** The type of `connection.peer`. */
  peer: Peer
  /** The result of `receive`. */
  message: ReceivedMessage
  /** The options of `send`. */
  sendOptions: SendOptions
}

/** An option of {@link Connection}, for makers of transports. */
export interface EndTimeout {
  /**
   * Milliseconds that the peer may take, after `end()`, to make room for the next of what was written;
   * default 0: no limit. See `NamedPipeConnectionOptions.endTimeout`.
   */
  endTimeout?: number | undefined
}
