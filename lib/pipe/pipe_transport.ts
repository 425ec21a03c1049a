import { callUserCode } from '../core/user_code.js'
import type { Outbox } from '../transport/outbox.js'
import type { CargoKind, Transport, TransportEvents } from '../transport/transport.js'
import { longestHeader } from './handle_frame.js'
import { handleCargoKind, HandlePassing } from './handle_passing.js'
import type { NamedPipePeer } from './peer.js'
import type { PipeIo } from './pipe_io.js'
import { PipeReader } from './pipe_reader.js'
import { PipeWriter } from './pipe_writer.js'

/** How the pipe was made, beside the user's options. */
export interface PipeKind {
  mode: 'byte' | 'message'
  /** Whether the system keeps the boundaries of writes. */
  messageType: boolean
}

export interface PipeTransportOptions {
  handles: boolean
  /** Bytes of one message. */
  maxMessageLength: number
}

/**
 * Messages that nobody has asked for, and that are read to learn which handles the peer has taken.
 * With 16 handles each that is no more than may be on their way.
 */
const mostAhead = 4
const mostBytesAhead = 65536

/** One end of a named pipe. */
export class PipeTransport implements Transport {
  readonly keepsBoundaries: boolean
  readonly cargo: CargoKind
  readonly #io: PipeIo
  readonly #messageType: boolean
  readonly #reader: PipeReader
  readonly #writer: PipeWriter
  readonly #passing: HandlePassing | undefined
  #events: TransportEvents | undefined
  #peer: NamedPipePeer
  #identify: (() => Promise<NamedPipePeer>) | undefined
  /** Calls that wait until the peer is identified. */
  #held: (() => void)[] | undefined
  /** Chunks are wanted. */
  #wanted = false
  #awaitsEnd = false
  #ahead = 0
  #bytesAhead = 0
  #ending = false
  #open = true

  /** `identify` is called once, after the first bytes. */
  constructor(
    io: PipeIo,
    { mode, messageType }: PipeKind,
    peer: NamedPipePeer,
    { handles, maxMessageLength }: PipeTransportOptions,
    identify?: () => Promise<NamedPipePeer>,
  ) {
    this.#io = io
    this.#messageType = messageType
    this.#peer = peer
    this.#identify = identify
    this.keepsBoundaries = mode === 'message'
    this.#passing = handles ? new HandlePassing(peer.pid) : undefined
    this.cargo = handleCargoKind(
      this.#passing,
      () => this.#peer,
      () => {
        // Whether it has taken them is something that only the peer can say.
        this.#readAhead()
      },
    )
    this.#reader = new PipeReader(
      io,
      {
        messageType,
        keepsBoundaries: this.keepsBoundaries,
        maxMessageLength: maxMessageLength + (handles ? longestHeader : 0),
      },
      {
        chunk: (data) => {
          this.#identifyOnce()
          this.#whenIdentified(() => {
            this.#onChunk(data)
          })
        },
        end: () => {
          this.#whenIdentified(() => this.#events?.end())
        },
        failed: (error) => this.#events?.lost(error),
      },
    )
    this.#writer = new PipeWriter(io, {
      keepsBoundaries: this.keepsBoundaries,
      framed: handles,
      failed: (error) => this.#events?.lost(error),
    })
  }

  attach(events: TransportEvents): void {
    this.#events = events
  }

  get peer(): NamedPipePeer {
    return this.#peer
  }

  get bytesRead(): number {
    return this.#reader.bytesRead
  }

  get bytesWritten(): number {
    return this.#writer.bytesWritten
  }

  get ref(): boolean {
    return this.#io.ref
  }

  set ref(ref: boolean) {
    this.#io.ref = ref
  }

  /** Releases it when its connection was forgotten; must not refer to the connection. */
  get releaser(): () => void {
    const passing = this.#passing
    const io = this.#io
    return () => {
      passing?.close()
      io.abandon()
    }
  }

  // Reading.

  read(): void {
    this.#wanted = true
    this.#ahead = 0
    this.#bytesAhead = 0
    this.#reader.read()
  }

  pause(): void {
    this.#wanted = false
    if (!this.#readsAhead()) this.#reader.cancel()
  }

  awaitEnd(): void {
    this.#awaitsEnd = true
    this.#reader.read()
  }

  allTaken(): void {
    this.#ahead = 0
    this.#bytesAhead = 0
    this.#readAhead()
  }

  #onChunk(bytes: Buffer): void {
    let message: ReturnType<HandlePassing['unpack']>
    try {
      message = this.#unpack(bytes)
    } catch (error) {
      this.#events?.lost(error as Error)
      return
    }
    if (message !== undefined) {
      this.#awaitsEnd = false
      const { data, handles } = message
      this.#ahead++
      this.#bytesAhead += data.length
      this.#wanted = this.#events?.chunk(data, handles) === true
    }
    if (!this.#open) return
    // A frame that says which handles were taken is no message: the end may come behind it.
    if (this.#wanted || this.#awaitsEnd) this.#reader.read()
    else this.#readAhead()
  }

  #unpack(bytes: Buffer): ReturnType<HandlePassing['unpack']> {
    if (this.#passing === undefined) return { data: bytes, handles: [] }
    return this.#passing.unpack(bytes, this.#peer, (frame) =>
      // After this side's end its peer learns by the close which handles it has to close.
      this.#ending
        ? undefined
        : new Promise((resolve) => {
            this.#writer.answer(frame, resolve)
          }),
    )
  }

  #readsAhead(): boolean {
    return (
      this.#passing?.waits === true && this.#ahead < mostAhead && this.#bytesAhead < mostBytesAhead
    )
  }

  #readAhead(): void {
    if (this.#open && this.#readsAhead()) this.#reader.read()
  }

  // Identifying the peer, where Windows does not tell it before the client's first byte.

  #identifyOnce(): void {
    const identify = this.#identify
    if (identify === undefined) return
    this.#identify = undefined
    // Handles are taken only from a peer that is known.
    if (this.#passing !== undefined) this.#held = []
    void identify().then((known) => {
      if (!this.#open) return
      this.#peer = known
      callUserCode(() => this.#events?.identified())
      const held = this.#held ?? []
      this.#held = undefined
      for (const call of held) this.#whenIdentified(call)
    })
  }

  #whenIdentified(call: () => void): void {
    if (this.#held !== undefined) this.#held.push(call)
    else if (this.#open) call()
  }

  // Writing.

  write(outbox: Outbox): void {
    this.#writer.write(outbox)
  }

  interruptWrite(): boolean {
    return this.#writer.interrupt()
  }

  endWriting(done: () => void): void {
    this.#ending = true
    if (this.#messageType) {
      this.#writer.writeEnd(done)
      return
    }
    // A pipe of bytes has no half-close. Everything was written, and stays readable for the peer when
    // this end is closed.
    this.#reader.finish()
    this.#events?.end()
    this.#io.close(done)
  }

  close(): void {
    this.#open = false
    this.#reader.finish()
    this.#held = undefined
    this.#passing?.close()
    this.#writer.close()
    this.#io.close(() => this.#events?.closed())
  }
}
