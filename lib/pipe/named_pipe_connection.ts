import { checkedBefore } from '../core/arguments.js'
import { leaks } from '../core/leak_guard.js'
import { own } from '../core/own.js'
import type { WaitOptions } from '../core/wait_options.js'
import { Connection } from '../transport/connection.js'
import type { ConnectionOptions } from '../transport/connection_options.js'
import type { ReceivedPipeMessage } from './handle_passing.js'
import type { NamedPipePeer } from './peer.js'
import type { PipeIo } from './pipe_io.js'
import { PipeTransport, type PipeKind } from './pipe_transport.js'
import type { HandleSource } from './system_handle.js'

/**
 * The options of connections over named pipes: of {@link connectNamedPipe} and
 * {@link NamedPipeServer.listen}.
 */
export interface NamedPipeConnectionOptions extends ConnectionOptions {
  /**
   * Default false. True, on both ends and with `mode: 'message'`: messages can bring handles, to
   * and from processes of the same user. To let a process send handles is to let it into this one,
   * and the other way round. Peers that are not sluice must know the format of such messages.
   */
  handles?: boolean
  /**
   * Milliseconds that the peer may take, after `end()`, to make room for the next of what was
   * written (a message, or 1 MiB of a stream), or the connection is destroyed with
   * `ERR_SLUICE_TIMEOUT`; default 30,000; 0: no limit. Until then an ending connection keeps the
   * process alive, unless it is unref-ed.
   */
  endTimeout?: number
  /** Bytes of the longest message that is taken; default 16 MiB. For `mode: 'message'`. */
  maxMessageLength?: number
}

export const connectionOptionNames = [
  'allowHalfOpen',
  'endTimeout',
  'highWaterMark',
  'maxMessageLength',
  'handles',
] as const
const defaultMaxMessageLength = 16 * 2 ** 20
const defaultEndTimeout = 30_000

/** The options of {@link Connection.send} over a named pipe. */
export interface PipeSendOptions extends WaitOptions {
  /**
   * Handles, default none, at most 16. They stay the sender's to close, who may do so as soon as `send` has
   * resolved.
   */
  handles?: readonly HandleSource[]
}

/** The types of connections over named pipes. */
export interface NamedPipeConnectionTypes {
  peer: NamedPipePeer
  message: ReceivedPipeMessage
  sendOptions: PipeSendOptions
}

/**
 * A connection over a named pipe: a Duplex stream, and messages. Windows only; elsewhere take
 * {@link UnixConnection}.
 *
 * The stream behaves as a `net.Socket` does, but for the end. A pipe of bytes has no half-close on
 * Windows: `end()` closes the connection when everything is written, and the peer can still read
 * all of it. On a pipe of messages (of a server with `mode: 'message'` or `halfClose: true`)
 * `end()` ends the writing side only. `allowHalfOpen` has an effect on these only: a server refuses
 * it elsewhere, and a client, who learns from the pipe what it is, closes at the peer's end all the
 * same.
 *
 * With `mode: 'message'` each write is one message and each chunk that is read is one message,
 * however long. A message without bytes means the end, so empty writes are left out.
 *
 * With `handles: true` messages bring handles. The sender keeps duplicates until the peer has taken
 * them; those that it has not taken are lost when the connection closes. Handles that come while the
 * stream is read are given to the listeners of `'handles'`, just before their message, or closed if
 * there are none.
 *
 * `peer` tells who is at the other end. Where Windows tells a client's user only after its first byte,
 * `userSid` is undefined until then, and a `'peer'` event says when it is known.
 *
 * `send` fails with handles also with `EBADF`, `ERR_SLUICE_HANDLES_LIMIT` when the peer
 * has 64 to take, `ERR_SLUICE_UNTRUSTED_OWNER` when it is another user's, and
 * `ERR_SLUICE_INVALID_STATE` unless the connection was made with `handles: true`.
 *
 * @example
 * ```ts
 * const server = await NamedPipeServer.listen('app', { mode: 'message' })
 * const client = await connectNamedPipe('app', { mode: 'message' })
 * const connection = await server.accept({ timeout: 1000 })
 * await client.send(Buffer.from('hello'), { timeout: 1000 })
 * console.log((await connection.receive())?.data.toString(), connection.peer.sameUser)
 * for (const one of [client, connection, server]) one.close()
 * ```
 */
export class NamedPipeConnection extends Connection<NamedPipeConnectionTypes> {
  /** Whether the boundaries of writes are kept. */
  readonly mode: 'byte' | 'message'

  /**
   * `identify` is called once, after the first bytes.
   *
   * @internal
   */
  constructor(
    io: PipeIo,
    kind: PipeKind,
    peer: NamedPipePeer,
    options: NamedPipeConnectionOptions,
    identify?: () => Promise<NamedPipePeer>,
  ) {
    const {
      endTimeout = defaultEndTimeout,
      handles = false,
      maxMessageLength = defaultMaxMessageLength,
    } = options
    const transport = new PipeTransport(io, kind, peer, { handles, maxMessageLength }, identify)
    super(transport, own({ ...options, endTimeout }), checkedBefore)
    this.mode = kind.mode
    const release = transport.releaser
    leaks.register(this, { what: 'NamedPipeConnection', release }, this)
    this.once('close', unregister)
  }
}

function unregister(this: NamedPipeConnection): void {
  leaks.unregister(this)
}
