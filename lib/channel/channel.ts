import { checkedBefore } from '../core/arguments.js'
import { LeakGuard } from '../core/leak_guard.js'
import type { WaitOptions } from '../core/wait_options.js'
import type { Consumer } from '../ring/consumer.js'
import type { Producer } from '../ring/producer.js'
import type { DescriptorSource, FileDescriptor } from '../socket/file_descriptor.js'
import { Connection } from '../transport/connection.js'
import type { Peer } from '../transport/peer.js'
import type { ChannelEnds } from './channel_ends.js'
import { ChannelTransport } from './channel_transport.js'
import type { Control } from './control.js'
import type { ChannelOptions } from './options.js'

/** A message of a {@link Channel}, as `receive` gives it. */
export interface ReceivedChannelMessage {
  /** The bytes of the message, the receiver's own. */
  data: Buffer
  /** The receiver's own, to close. Always empty on Windows. */
  fds: FileDescriptor[]
}

/** The options of {@link Connection.send} over a channel. */
export interface ChannelSendOptions extends WaitOptions {
  /**
   * Descriptors, default none, at most 253; each is duplicated at the call and stays the caller's to close.
   * Not on Windows.
   */
  fds?: readonly DescriptorSource[]
}

/** The types in which a {@link Channel} differs from a connection in general. */
export interface ChannelTypes {
  /** The type of `channel.peer`. */
  peer: Peer
  /** The result of `receive`. */
  message: ReceivedChannelMessage
  /** The options of `send`. */
  sendOptions: ChannelSendOptions
}

const leftOpen = new LeakGuard<{ control: Control; ends: ChannelEnds }>(
  ({ ends }) => (ends.consumer.closed ? undefined : 'Channel'),
  ({ control, ends }) => {
    ends.close()
    control.close()
  },
)

/**
 * A connection whose bytes go through shared memory: two rings, one for each direction, that were
 * arranged over a Unix socket or a named pipe. To its user it is a `Duplex` as other connections are.
 *
 * The socket stays: it tells of the peer's end at once, and brings descriptors. No system call is made
 * for bytes while both sides are awake.
 *
 * `producer` and `consumer` are the rings' own ends, to write and read without a copy. Whatever is written
 * by `producer` is to the peer's stream as if it had been written to this one. Do not use them together
 * with the stream in the same direction.
 *
 * A peer that disappears without having ended is `ERR_SLUICE_PEER_DIED`, after all that it has written
 * was read.
 *
 * @example
 * ```ts
 * const server = await ChannelServer.listen('/run/app/app.sock')
 * const client = await connectChannel('/run/app/app.sock', { timeout: 10_000 })
 * const channel = await server.accept({ timeout: 10_000 })
 * await client.send(Buffer.from('hello'), { timeout: 1000 })
 * console.log((await channel.receive())?.data.toString())
 * for (const one of [client, channel, server]) one.close()
 * ```
 */
export class Channel extends Connection<ChannelTypes> {
  readonly #ends: ChannelEnds
  readonly #transport: ChannelTransport

  /** @internal */
  constructor(control: Control, ends: ChannelEnds, options: Readonly<ChannelOptions>) {
    const transport = new ChannelTransport(control, ends)
    super(transport, options, checkedBefore)
    this.#ends = ends
    this.#transport = transport
    leftOpen.register(this, { control, ends })
  }

  /** The writing end of the ring to the peer. */
  get producer(): Producer {
    return this.#ends.producer
  }

  /** The reading end of the ring from the peer. */
  get consumer(): Consumer {
    return this.#ends.consumer
  }

  /**
   * For what sends and takes whole records.
   *
   * @internal
   */
  static transportOf(channel: Channel): ChannelTransport {
    return channel.#transport
  }
}
