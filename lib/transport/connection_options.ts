/** The options of connections of every transport, and the types in which those differ. */
import { checkBoolean, checkInteger } from '../core/arguments.js'
import { longestDelay, type WaitOptions } from '../core/wait_options.js'
import type { Peer } from './peer.js'
import type { ReceivedMessage } from './transport.js'

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

/** The options of `send`. Transports that carry more than bytes add a member. */
export type SendOptions = WaitOptions

/** The types of one transport's connections. */
export interface ConnectionTypes {
  peer: Peer
  message: ReceivedMessage
  sendOptions: SendOptions
}

/** Milliseconds that the peer may take after `end()`, for makers of transports. */
export interface EndTimeout {
  endTimeout?: number | undefined
}
