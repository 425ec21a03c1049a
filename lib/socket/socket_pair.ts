import { invalidArgument, ownOptions } from '../core/arguments.js'
import { native } from './native.js'
import {
  checkUnixConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type UnixConnectionOptions,
} from './connection_options.js'
import { requireSockets } from './native.js'
import { UnixConnection } from './unix_connection.js'
import { UnixDatagram } from './unix_datagram.js'

/**
 * Two sockets that are connected to each other; send the `fd` of one to another process, or let a
 * child inherit it. Each has this process as its peer. Not on Windows; `'seqpacket'` not on macOS.
 *
 * @throws `EMFILE`, `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` on Windows.
 *
 * @example
 * ```ts
 * const [one, other] = socketPair('datagram')
 * await one.send(Buffer.from('hello'))
 * console.log((await other.receive()).data.toString())
 * one.close()
 * other.close()
 * ```
 */
export function socketPair(
  type?: 'stream' | 'seqpacket',
  options?: UnixConnectionOptions,
): [UnixConnection, UnixConnection]
export function socketPair(
  type: 'datagram',
  options?: UnixConnectionOptions,
): [UnixDatagram, UnixDatagram]
export function socketPair(
  type?: 'stream' | 'seqpacket' | 'datagram',
  options?: UnixConnectionOptions,
): [UnixConnection, UnixConnection] | [UnixDatagram, UnixDatagram]
export function socketPair(
  type: 'stream' | 'seqpacket' | 'datagram' = 'stream',
  options: UnixConnectionOptions = {},
): [UnixConnection, UnixConnection] | [UnixDatagram, UnixDatagram] {
  requireSockets()
  if (!['stream', 'seqpacket', 'datagram'].includes(type)) {
    throw invalidArgument('type', "'stream', 'seqpacket' or 'datagram'", type)
  }
  options = ownOptions(options, connectionOptionNames)
  checkUnixConnectionOptions(options)
  const [one, other] = native.openSocketPair(type)
  try {
    setBufferSizes(one, options)
    setBufferSizes(other, options)
  } catch (error) {
    one.close()
    other.close()
    throw error
  }
  if (type === 'datagram') {
    return [new UnixDatagram(one, options), new UnixDatagram(other, options)]
  }
  return [new UnixConnection(one, type, options), new UnixConnection(other, type, options)]
}
