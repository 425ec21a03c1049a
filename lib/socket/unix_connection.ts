import type { Duplex } from 'node:stream'

import { checkedBefore, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { LeakGuard } from '../core/leak_guard.js'
import type { WaitOptions } from '../core/wait_options.js'
import { Connection } from '../transport/connection.js'
import {
  checkUnixConnectionOptions,
  connectionOptionNames,
  setBufferSizes,
  type BufferSizes,
  type UnixConnectionOptions,
} from './connection_options.js'
import {
  checkDescriptor,
  descriptorNumber,
  type DescriptorSource,
  type FileDescriptor,
} from './file_descriptor.js'
import { native, requireSockets, type SocketHandle } from './native.js'
import type { PeerCredentials } from './peer_credentials.js'
import type { ReceivedUnixMessage } from './socket_reader.js'
import { UnixTransport } from './unix_transport.js'

/** The options of {@link Connection.send} over a Unix socket. */
export interface UnixSendOptions extends WaitOptions {
  /**
   * Descriptors, default none, at most 253; each is duplicated at the call and stays the caller's to close.
   */
  fds?: readonly DescriptorSource[]
}

/** The types of connections over Unix sockets. */
export interface UnixConnectionTypes {
  peer: PeerCredentials
  message: ReceivedUnixMessage
  sendOptions: UnixSendOptions
}

const leftOpen = new LeakGuard<SocketHandle>(
  (handle) => (handle.descriptor() < 0 ? undefined : 'UnixConnection'),
  (handle) => {
    handle.close()
  },
)

/** A listener of any event, as Node declares it. */
type EventListener = Parameters<Duplex['on']>[1]

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the types of the events
export interface UnixConnection {
  on(event: 'fds', listener: (fds: FileDescriptor[]) => void): this
  on(event: string | symbol, listener: EventListener): this
  once(event: 'fds', listener: (fds: FileDescriptor[]) => void): this
  once(event: string | symbol, listener: EventListener): this
}

/**
 * A connection over a Unix socket: a Duplex stream, and messages with descriptors. Not on Windows, which
 * has {@link NamedPipeConnection}.
 *
 * A descriptor that comes while the stream is read is given to the listeners of `'fds'`, just before
 * the chunk that it came with, whether that is taken by `'data'`, `read` or `for await`; without a
 * listener it is closed. On a seqpacket connection each chunk is one message, and up to 16 of them
 * are read ahead.
 *
 * Nothing is read before it is asked for, so that `receive` can be used. Listeners of `'close'` and
 * `'end'` of a connection that nobody has read are told all the same when the peer goes, unless bytes
 * that it has sent lie unread, and keep the process alive, as with `net.Socket`. A connection that
 * nobody reads, listens to or has ended is not watched: it costs less memory, does not keep the
 * process alive, and learns of its peer's end when it is used. `resume()` reads and drops all that
 * comes.
 *
 * `send` fails also with `EBADF` for a descriptor that is not open, and `ETOOMANYREFS`.
 *
 * Sources: unix(7), recvmsg(2).
 *
 * @example
 * ```ts
 * const [one, other] = socketPair()
 * const memory = SharedMemory.anonymous({ size: 4096 })
 * await one.send(Buffer.from('take this'), { fds: [memory], timeout: 1000 })
 *
 * const message = await other.receive({ timeout: 1000 })
 * for (const descriptor of message?.fds ?? []) {
 *   console.log(message?.data.toString(), descriptor.kind) // 'memory'
 *   descriptor.close()
 * }
 * for (const each of [memory, one, other]) each.close()
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- likewise
export class UnixConnection extends Connection<UnixConnectionTypes> {
  /** The kind of its socket. */
  readonly type: 'stream' | 'seqpacket'
  readonly #transport: UnixTransport

  /** @internal */
  constructor(
    handle: SocketHandle,
    type: 'stream' | 'seqpacket',
    options: Readonly<UnixConnectionOptions>,
  ) {
    const transport = new UnixTransport(handle, type, options)
    super(transport, options, checkedBefore)
    this.type = type
    this.#transport = transport
    leftOpen.register(this, handle)
  }

  /**
   * A connection of a connected socket that was inherited or received. The descriptor is duplicated
   * and stays the caller's to close; the open file behind both, and behind other duplicates in other
   * processes, is made non-blocking.
   *
   * @throws `EBADF`, `ENOTSOCK`, `ENOTCONN`, `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` on
   * Windows.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * const same = UnixConnection.fromFd(one.fd) // in another process: a number that it inherited or received
   * one.close()
   * await same.send(Buffer.from('hello'))
   * console.log((await other.receive())?.data.toString())
   * same.close()
   * other.close()
   * ```
   */
  static fromFd(fd: DescriptorSource, options: UnixConnectionOptions = {}): UnixConnection {
    requireSockets()
    const number = descriptorNumber('fd', fd)
    checkDescriptor('fd', number)
    options = ownOptions(options, connectionOptionNames)
    checkUnixConnectionOptions(options)
    const { handle, type } = native.socketFromDescriptor(number, 'connection')
    try {
      setBufferSizes(handle, options)
    } catch (error) {
      handle.close()
      throw error
    }
    return new UnixConnection(handle, type === 'seqpacket' ? type : 'stream', options)
  }

  /**
   * The buffers that the system has given, which can be smaller than `sendBufferSize` and
   * `receiveBufferSize`.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get bufferSizes(): BufferSizes {
    const sizes = this.#transport.bufferSizes()
    if (sizes === undefined) throw connectionClosed()
    return sizes
  }

  /**
   * The descriptor, to look at or to send; it stays the connection's to close.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get fd(): number {
    const { descriptor } = this.#transport
    if (descriptor < 0) throw connectionClosed()
    return descriptor
  }
}

function connectionClosed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed')
}
