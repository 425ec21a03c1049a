/**
 * The contract between a connection and the transport that carries it.
 *
 * A {@link Connection} is a stream and a queue of messages, and knows nothing of sockets or pipes. It
 * has a transport, which moves bytes and knows nothing of streams. Somebody who writes a transport
 * implements {@link Transport} and passes it to `new Connection(transport)`.
 */
import { checkShape, unreadable, type Shape } from '../core/arguments.js'
import type { Cargo, Outbox } from './outbox.js'
import type { Peer } from './peer.js'

/** A thing that comes with a message of a {@link Connection}, the receiver's to close. */
export interface Closable {
  /** Lets go of it. Idempotent. */
  close(): void
}

/** A message as {@link Connection.receive} gives it. Transports that carry more than bytes add a member. */
export interface ReceivedMessage {
  /** The bytes of the message, the receiver's own. */
  data: Buffer
}

/** How the messages of a {@link Transport} carry something beside their bytes. */
export interface CargoKind<Received extends Closable = Closable> {
  /**
   * The name of the option of `send`, of the member of a received message, and of the event that
   * tells of what came while the stream is read: `'fds'`, `'handles'`.
   */
  readonly name: string
  /** Checks the option's value; undefined when there is nothing to carry. Throws for wrong ones. */
  check(value: unknown): unknown
  /** Makes what `check` has returned last until the message has gone; throws when that fails. */
  keep(checked: unknown): Cargo
  /** The message that `receive` resolves with. */
  message(data: Buffer, received: readonly Received[]): ReceivedMessage
}

/** The events that a {@link Transport} tells its connection of. */
export interface TransportEvents {
  /**
   * A chunk of the stream, or a whole message. False: nobody wants more until the next `read()`; a
   * transport that has more already may tell it all the same, and it is kept.
   */
  chunk(data: Buffer, received?: readonly Closable[]): boolean
  /** Something has come or gone that `chunk` and the outbox do not tell of: the connection is not idle. */
  progressed(): void
  /** The peer will send no more. */
  end(): void
  /** The connection cannot go on. The connection calls `close` then. */
  lost(error: Error): void
  /** It is known by now who the peer is: `transport.peer` has changed. */
  identified(): void
  /** Nothing is left open or under way. The last event, and told once, after `close()`. */
  closed(): void
}

/**
 * Moves bytes for one connection. No method is called after `close`, and none before `attach`.
 *
 * Nothing may be read from the system before `read` asks for it, so that the peer is held back when
 * nobody reads, and so that nothing is lost when a `receive` is cancelled.
 *
 * @example
 * ```ts
 * import type { Outbox, Transport, TransportEvents } from 'sluice'
 *
 * // Sends back what it is given, message for message.
 * class Echo implements Transport {
 *   readonly keepsBoundaries = true
 *   readonly peer = { pid: process.pid, user: undefined, sameUser: true }
 *   readonly cargo = undefined
 *   ref = true
 *   bytesRead = 0
 *   bytesWritten = 0
 *   #events: TransportEvents | undefined
 *   readonly #messages: Buffer[] = []
 *   #wanted = false
 *   #ended = false
 *
 *   attach(events: TransportEvents) {
 *     this.#events = events
 *   }
 *   read() {
 *     this.#wanted = true
 *     this.#deliver()
 *   }
 *   pause() {
 *     this.#wanted = false
 *   }
 *   awaitEnd() {
 *     if (this.#messages.length === 0) this.read()
 *   }
 *   write(outbox: Outbox) {
 *     while (outbox.next()) {
 *       this.#messages.push(Buffer.from(outbox.first))
 *       this.bytesWritten += outbox.first.byteLength
 *       outbox.wroteFirst()
 *     }
 *     this.#deliver()
 *   }
 *   interruptWrite() {
 *     return false // nothing is ever under way
 *   }
 *   endWriting(done: () => void) {
 *     this.#ended = true
 *     done()
 *     this.#deliver()
 *   }
 *   close() {
 *     this.#events?.closed()
 *   }
 *   #deliver() {
 *     while (this.#wanted) {
 *       const message = this.#messages.shift()
 *       if (message === undefined) {
 *         if (this.#ended) this.#events?.end()
 *         return
 *       }
 *       this.bytesRead += message.byteLength
 *       this.#wanted = this.#events?.chunk(message) ?? false
 *     }
 *   }
 * }
 *
 * const connection = new Connection(new Echo())
 * await connection.send(Buffer.from('hello'))
 * console.log((await connection.receive())?.data.toString())
 * connection.close()
 * ```
 */
export interface Transport {
  /** Whether each write is one message, and comes out as one. */
  readonly keepsBoundaries: boolean
  /** Bytes that were told to `events.chunk`. */
  readonly bytesRead: number
  /** Bytes that the system has taken. */
  readonly bytesWritten: number
  /** The process at the other end. */
  readonly peer: Peer
  /** Undefined: messages are bytes and nothing else. */
  readonly cargo: CargoKind | undefined
  /** Whether the transport keeps the process alive. */
  ref: boolean

  /** Called once, by the constructor of the connection. */
  attach(events: TransportEvents): void

  /**
   * From now on chunks are wanted: each is told to `events.chunk`, until that returns false or
   * `pause()` is called. At most a bounded number in one turn of the event loop.
   *
   * @throws when the system refuses to watch; then nothing has changed.
   */
  read(): void
  /** A look for one chunk that is there already, for a `receive` that nothing waits before; optional. */
  readNow?(): void
  /** Whether a look would probably find something; only with `readNow`. */
  readonly mayHaveMore?: boolean
  /**
   * Whether `awaitEnd` leaves what comes before the end where it is. Then it is called for listeners of
   * `'close'` and `'end'` of a connection that nobody reads, too. Optional.
   */
  readonly seesEnd?: boolean
  /** Nobody wants a chunk any more. */
  pause(): void
  /** Everything that was told was taken; for transports that read ahead. Optional. */
  allTaken?(): void
  /**
   * Nobody reads, this side has ended, and the connection closes when the peer ends, too: its end is
   * to be told if nothing comes before it. A chunk that has to be read for this is kept.
   */
  awaitEnd(): void

  /**
   * Writes what is in the outbox, in order, until `outbox.next()` says that there is no more, or the
   * system takes no more; then the transport goes on by itself when it does. Called again when the
   * outbox was empty and has something, and when what waited first was taken out.
   */
  write(outbox: Outbox): void
  /** Writes a byte if there is room for it now; a failure is left to be found by reading. Optional. */
  nudge?(byte: Buffer): void
  /**
   * Writes a message at once, past the outbox, which is empty: how many bytes the system has taken, or
   * 'later' when it takes none for now. The cargo is what `CargoKind.check` has returned. Optional.
   *
   * @throws what `send` is to fail with; if the connection is lost, after `events.lost`.
   */
  tryWrite?(bytes: Uint8Array, cargo: unknown): number | 'later'
  /** Throws `ERR_SLUICE_INVALID_ARGUMENT` for data that cannot be sent as a message; optional. */
  checkMessage?(length: number, hasCargo: boolean): void
  /**
   * Stops the write that is under way in the system. True: there is one, and the transport tells the
   * outbox of its outcome; false: there is none.
   */
  interruptWrite(): boolean
  /** Everything is written, and the peer is to be told that no more comes; `done` when it is. */
  endWriting(done: () => void): void

  /** Lets go of everything; `events.closed()` follows, perhaps before this returns. */
  close(): void
}

const cargoShape: Shape<CargoKind> = {
  name: 'string',
  check: 'function',
  keep: 'function',
  message: 'function',
}

const transportShape: Shape<Transport> = {
  keepsBoundaries: 'boolean',
  bytesRead: 'number',
  bytesWritten: 'number',
  peer: 'object',
  ref: 'boolean',
  attach: 'function',
  read: 'function',
  pause: 'function',
  awaitEnd: 'function',
  write: 'function',
  interruptWrite: 'function',
  endWriting: 'function',
  close: 'function',
}

/** Checks that a user's transport has all that a connection cannot do without. */
export function checkTransport(transport: Transport): void {
  checkShape('transport', transport, transportShape)
  let cargo: CargoKind | undefined
  try {
    cargo = transport.cargo
  } catch (error) {
    throw unreadable('transport.cargo', error)
  }
  if (cargo !== undefined) checkShape('transport.cargo', cargo, cargoShape)
}
