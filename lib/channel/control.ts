import type { WaitOptions } from '../core/wait_options.js'
import { NamedPipeConnection } from '../pipe/named_pipe_connection.js'
import { UnixConnection } from '../socket/unix_connection.js'
import { Connection } from '../transport/connection.js'
import type { SluiceError } from '../core/errors.js'
import { closeAll } from '../transport/inbox.js'
import type { Closable } from '../transport/transport.js'
import {
  type Bell,
  ControlParser,
  encodeControl,
  nonsense,
  type ControlMessage,
} from './control_message.js'

/** The connection beside the rings of a {@link Channel}: it arranges them, and its end is the peer's. */
export type ControlConnection = UnixConnection | NamedPipeConnection

/** A descriptor that has come. */
export interface Attachment extends Closable {
  readonly number: number
}

/** Hears the messages that come when the handshake is over. */
export interface ControlListener {
  /** Whether more may come now; otherwise `resume` lets it. */
  came(message: ControlMessage): boolean
  /** Nothing comes any more: the peer has ended, or why the connection failed. */
  ended(failure: unknown): void
}

/** Hears the bells between the messages. */
export interface BellListener {
  rang(bell: Bell): void
  /** Bells can be heard from now on, or cannot: the connection is not read, or is over. */
  hears(can: boolean): void
}

/** Messages of a control connection, and the descriptors that come with them. */
export class Control {
  readonly connection: ControlConnection
  readonly #parser = new ControlParser()
  /** Descriptors that have come and that no message has named yet. */
  readonly #attachments: Attachment[] = []

  #open = true
  #listener: ControlListener | undefined
  #bells: BellListener | undefined
  /** The listener can take no more for now. */
  #paused = false

  constructor(connection: ControlConnection) {
    this.connection = connection
  }

  /** `attachments`: numbers of descriptors, none on Windows; they stay the caller's. */
  send(
    message: ControlMessage,
    options: WaitOptions = {},
    attachments: readonly number[] = [],
  ): Promise<void> {
    const bytes = encodeControl(message)
    return this.connection instanceof UnixConnection
      ? this.connection.send(bytes, { ...options, fds: attachments })
      : this.connection.send(bytes, options)
  }

  /**
   * The next message; undefined at the end of the connection.
   *
   * @throws (rejects) `ERR_SLUICE_CORRUPT`, or as `receive`.
   */
  async receive(options: WaitOptions = {}): Promise<ControlMessage | undefined> {
    for (;;) {
      const message = this.#parser.next()
      if (message !== undefined) return message
      // The descriptors of a message come with its first byte.
      if (this.#parser.rest.length === 0 && this.#attachments.length > 0) throw unnamed()
      const received = await this.connection.receive(options)
      if (received === undefined) return undefined
      this.#add(received.data, 'fds' in received ? received.fds : [])
      if (!this.#open) return undefined
    }
  }

  /** The handshake is over: from here on the listener hears the messages. */
  listen(listener: ControlListener): void {
    this.#listener = listener
    this.#deliver(listener)
    Connection.giveTo(this.connection, {
      take: ({ data, received }) => this.#take(data, received as readonly Attachment[]),
      ended: () => {
        this.#tellEnd(undefined)
      },
      closed: (error) => {
        this.#tellEnd(error)
      },
    })
  }

  /** The listener takes more again. */
  resume(): void {
    if (!this.#paused || this.#listener === undefined) return
    if (this.#deliver(this.#listener)) Connection.takeMore(this.connection)
  }

  #take(data: Buffer, attachments: readonly Attachment[]): boolean {
    const listener = this.#listener
    if (listener === undefined) return false
    try {
      this.#add(data, attachments)
    } catch (error) {
      this.#tellEnd(error)
      return false
    }
    return this.#open && this.#deliver(listener)
  }

  /** Whether more may come. */
  #deliver(listener: ControlListener): boolean {
    const wasPaused = this.#paused
    this.#paused = false
    try {
      for (let message; !this.#paused && (message = this.#parser.next()) !== undefined;) {
        this.#paused = !listener.came(message)
      }
      // The descriptors of a message come with its first byte.
      if (this.#parser.rest.length === 0 && this.#attachments.length > 0) throw unnamed()
    } catch (error) {
      this.#paused = true
      this.#tellEnd(error)
    }
    if (this.#paused !== wasPaused) this.#bells?.hears(!this.#paused)
    return !this.#paused
  }

  #tellEnd(failure: unknown): void {
    this.#bells?.hears(false)
    this.#listener?.ended(failure)
  }

  #add(data: Buffer, attachments: readonly Attachment[]): void {
    if (attachments.length > 0) {
      const hasSome = this.#attachments.length > 0
      this.#attachments.push(...attachments)
      if (hasSome) throw unnamed()
    }
    // It was closed after these had come, and before they could be handed over.
    if (this.#open) this.#parser.add(data)
    else closeAll(this.#attachments.splice(0))
  }

  /**
   * The descriptors that a message has named; they are the caller's to close.
   *
   * @throws `ERR_SLUICE_CORRUPT` when so many have not come.
   */
  take(count: number): Attachment[] {
    if (this.#attachments.length < count) throw nonsense('fewer descriptors than it names')
    return this.#attachments.splice(0, count)
  }

  /** From here on the peer may ring. */
  set bells(bells: BellListener) {
    this.#bells = bells
    this.#parser.onBell = (bell) => {
      bells.rang(bell)
    }
  }

  /** From here on the connection is a plain stream, to which belongs what has come already. */
  letGo(): void {
    const { rest } = this.#parser
    if (rest.length > 0) Connection.putBack(this.connection, rest)
    closeAll(this.#attachments.splice(0))
  }

  close(): void {
    this.#open = false
    closeAll(this.#attachments.splice(0))
    this.connection.destroy()
  }
}

function unnamed(): SluiceError {
  return nonsense('descriptors that no message names')
}
