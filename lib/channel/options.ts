/** The options that both ends of a channel have. */
import { checkBoolean, checkInteger, invalidArgument } from '../core/arguments.js'
import { longestDelay } from '../core/wait_options.js'
import { maximumCapacity, minimumCapacity } from '../ring/layout.js'
import { checkSpin } from '../ring/polling.js'
import { defaultMaxDescriptors, mostDescriptors } from '../socket/connection_options.js'
import { checkConnectionOptions, type ConnectionOptions } from '../transport/connection_options.js'

/** The options of {@link connectChannel} and {@link ChannelServer.listen}. */
export interface ChannelOptions extends ConnectionOptions {
  /**
   * Bytes of each of the two rings: a power of two from 4 KiB to 1 GiB. A server's is the default of its
   * clients, 256 KiB if it says nothing; a client's is a wish. The memory is allocated when the channel
   * is made, and counts as the server's.
   */
  capacity?: number
  /**
   * Default false: where one end cannot have the memory, the connection goes on as a plain stream over
   * the socket or pipe itself. True: it fails instead.
   */
  required?: boolean
  /**
   * Milliseconds for all of the handshake; default 5000 for a server, 30,000 for a client, which may have
   * to wait until the server has dealt with those before it.
   */
  handshakeTimeout?: number
  /**
   * Descriptors that one message may bring, else the connection is destroyed; default 64. Not on
   * Windows, where channels carry none.
   */
  maxDescriptors?: number
  /** Microseconds to look for the peer's doings before sleeping; default as `EndpointOptions.spin`. */
  spin?: number
}

export const channelOptionNames = [
  'allowHalfOpen',
  'highWaterMark',
  'capacity',
  'required',
  'handshakeTimeout',
  'spin',
  ...(process.platform === 'win32' ? [] : (['maxDescriptors'] as const)),
] as const

export const defaultCapacity = 2 ** 18
export const defaultHandshakeTimeout = { server: 5000, client: 30_000 }

export function checkChannelOptions(options: ChannelOptions): void {
  checkConnectionOptions(options)
  const { capacity, required, handshakeTimeout, spin } = options
  if (capacity !== undefined) checkCapacity('options.capacity', capacity)
  if (required !== undefined) checkBoolean('options.required', required)
  if (handshakeTimeout !== undefined) {
    checkInteger('options.handshakeTimeout', handshakeTimeout, 1, longestDelay)
  }
  if (spin !== undefined) checkSpin(spin)
  checkInteger('options.maxDescriptors', options.maxDescriptors ?? 0, 0, mostDescriptors)
}

/** Descriptors that the control connection takes at once: the two rings come together. */
export function mostAtOnce({ maxDescriptors = defaultMaxDescriptors }: ChannelOptions): number {
  return Math.max(maxDescriptors, 2)
}

export function checkCapacity(name: string, capacity: number): void {
  if (isCapacity(capacity)) return
  throw invalidArgument(
    name,
    `a power of two from ${String(minimumCapacity)} to ${String(maximumCapacity)}`,
    capacity,
  )
}

export function isCapacity(capacity: number): boolean {
  return (
    Number.isInteger(capacity) &&
    capacity >= minimumCapacity &&
    capacity <= maximumCapacity &&
    (capacity & (capacity - 1)) === 0
  )
}
