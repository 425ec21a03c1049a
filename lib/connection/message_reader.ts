import type { RecordTaker } from '../channel/channel_reader.js'
import type { IncomingRecords } from '../channel/incoming_records.js'
import { nonsense } from '../channel/control_message.js'
import { numberSize, RecordType } from '../channel/record_type.js'
import { SluiceError } from '../core/errors.js'
import { recordHeaderSize } from '../ring/layout.js'
import { closeAll } from '../transport/inbox.js'
import type { Closable } from '../transport/transport.js'
import { frameTooLong } from './frames.js'

/** Bytes of records that are taken at once; a record may be longer. */
const mostTaken = 65536
/** Memory for a message is made when this part of it has come. */
const partOfTrust = 1 / 8

const nothing = Buffer.alloc(0)
const noCargo: readonly Closable[] = []

/** The calls that a reader makes to its owner. */
export interface MessageReaderEvents {
  /** The descriptors of this number; undefined while they are not there. */
  cargo(number: number): readonly Closable[] | undefined
  /** Records of so many bytes have come. Whether more are wanted. */
  arrived(bytes: number): boolean
}

/**
 * Takes messages out of a channel's ring: many short ones at once, and those that come in parts into memory
 * of their own. A failure is told in the order of the messages, when those before it were taken.
 */
export class MessageReader implements RecordTaker {
  readonly #records: IncomingRecords
  readonly #maxLength: number
  readonly #hasBeats: boolean
  readonly #events: MessageReaderEvents
  lacksCargo = false
  /** Messages that have come, of which so many were taken. */
  #messages: Buffer[] = []
  #taken = 0
  #failure: unknown
  /** Descriptors of the messages that came with some. */
  readonly #cargos = new Map<Buffer, readonly Closable[]>()
  /** Those that were taken with the last message. */
  #cargo = noCargo
  /** Those that belong to the message that follows. */
  #nextCargo: readonly Closable[] | undefined
  /** A message that comes in parts: its memory, which may be too short yet, and its bytes so far. */
  #memory = nothing
  #length = 0
  /** Bytes of it that are still to come. */
  #following = 0

  constructor(
    records: IncomingRecords,
    maxLength: number,
    hasBeats: boolean,
    events: MessageReaderEvents,
  ) {
    this.#records = records
    this.#maxLength = maxLength
    this.#hasBeats = hasBeats
    this.#events = events
  }

  // For the channel.

  get hasMore(): boolean {
    return this.#hasMessage() || this.#hasFailed() || this.#records.isThere
  }

  take(): boolean | undefined {
    // What is here already comes first; behind a failure there is nothing.
    if (this.#hasMessage() || this.#hasFailed()) return false
    const bytes = this.#gather()
    if (bytes === 0 && !this.#hasFailed()) return undefined
    return this.#events.arrived(bytes) && !this.#hasFailed()
  }

  // For the connection of messages.

  /**
   * The next message that was taken out of the ring.
   *
   * @throws what is wrong with the records behind the last one.
   */
  next(): Buffer | undefined {
    if (!this.#hasMessage()) {
      if (this.#failure !== undefined) throw this.#failure as Error
      return undefined
    }
    const message = this.#messages[this.#taken++]
    if (this.#cargos.size > 0) {
      this.#cargo = this.#cargos.get(message) ?? noCargo
      this.#cargos.delete(message)
    }
    return message
  }

  /** The descriptors that came with the message that was taken last. */
  nextCargo(): readonly Closable[] {
    const cargo = this.#cargo
    this.#cargo = noCargo
    return cargo
  }

  /** Bytes that lack to the end of a message; 0 between two. At least one behind descriptors. */
  get missing(): number {
    return this.#nextCargo === undefined ? this.#following : Math.max(1, this.#following)
  }

  fail(error: Error): void {
    this.#failure ??= error
  }

  close(): void {
    this.fail(new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed'))
    for (const cargo of [...this.#cargos.values(), this.#cargo, this.#nextCargo]) {
      closeAll(cargo ?? [])
    }
    this.#cargos.clear()
    this.#cargo = noCargo
    this.#nextCargo = undefined
    this.#messages = []
    this.#taken = 0
    this.#memory = nothing
  }

  // The records.

  #hasMessage(): boolean {
    return this.#taken < this.#messages.length
  }

  #hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Takes what is there. Returns its bytes. */
  #gather(): number {
    const records = this.#records
    this.#messages = []
    this.#taken = 0
    let bytes = 0
    try {
      while (bytes < mostTaken) {
        const length = records.next()
        if (length < 0 || !this.#add(length)) break
        records.release()
        bytes += recordHeaderSize + length
      }
    } catch (error) {
      this.#failure = error
    }
    records.settle()
    return bytes
  }

  /** False: the record has to wait. */
  #add(length: number): boolean {
    switch (this.#records.type) {
      case RecordType.message:
        if (this.#following === 0) this.#addWhole(length)
        else this.#addLast(length)
        return true
      case RecordType.part:
        this.#addPart(length)
        return true
      case RecordType.cargo:
        return this.#addCargo(length)
      case RecordType.beat:
        if (length > 0) throw nonsense('a heartbeat with bytes')
        if (!this.#hasBeats) throw unexpectedBeat()
        return true
      case RecordType.bytes:
        throw plainBytes()
      default:
        throw nonsense(`a record of the unknown type ${String(this.#records.type)}`)
    }
  }

  #addWhole(length: number): void {
    if (length > this.#maxLength) throw frameTooLong(length, this.#maxLength)
    this.#complete(this.#records.copy(0))
  }

  #addPart(length: number): void {
    const bytes = length - numberSize
    if (bytes <= 0) throw nonsense('an empty part of a message')
    const following = this.#records.number()
    if (this.#following === 0) {
      if (bytes + following > this.#maxLength) {
        throw frameTooLong(bytes + following, this.#maxLength)
      }
    } else if (following !== this.#following - bytes) {
      throw nonsense('a part of another length than the one before it has said')
    }
    if (following === 0) throw nonsense('a last part that says that it is not the last')
    this.#append(numberSize, bytes, following)
  }

  #addLast(length: number): void {
    if (length !== this.#following) {
      throw nonsense('a message of another length than its parts have said')
    }
    this.#append(0, length, 0)
    this.#complete(this.#memory)
    this.#memory = nothing
    this.#length = 0
  }

  /** Adds the record's bytes to those of the parts before. */
  #append(from: number, bytes: number, following: number): void {
    const length = this.#length + bytes
    if (length > this.#memory.length) {
      const total = length + following
      // Not by its word alone, and not anew for each part.
      const room = length >= total * partOfTrust ? total : 2 * length
      const memory = Buffer.allocUnsafeSlow(room)
      this.#memory.copy(memory, 0, 0, this.#length)
      this.#memory = memory
    }
    this.#records.copyTo(this.#memory, this.#length, from)
    this.#length = length
    this.#following = following
  }

  #addCargo(length: number): boolean {
    if (length !== numberSize) throw plainBytes()
    if (this.#nextCargo !== undefined || this.#following > 0) {
      throw nonsense('descriptors in the middle of a message')
    }
    this.#nextCargo = this.#events.cargo(this.#records.number())
    this.lacksCargo = this.#nextCargo === undefined
    return !this.lacksCargo
  }

  #complete(message: Buffer): void {
    this.#messages.push(message)
    if (this.#nextCargo === undefined) return
    this.#cargos.set(message, this.#nextCargo)
    this.#nextCargo = undefined
  }
}

/** The error for bytes of a stream, which are no messages. */
export function plainBytes(): SluiceError {
  return nonsense('bytes of a stream; both ends have to use framed()')
}

function unexpectedBeat(): SluiceError {
  return nonsense('a heartbeat: it has options.heartbeat, and this side has not')
}
