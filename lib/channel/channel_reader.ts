import { SluiceError } from '../core/errors.js'
import { inNextTurn, soon } from '../core/turn.js'
import type { Consumer } from '../ring/consumer.js'
import { Endpoint } from '../ring/endpoint.js'
import { WaitStatus } from '../ring/native.js'
import type { Sleeper } from '../ring/sleeper.js'
import { slab } from '../socket/slab.js'
import type { Closable } from '../transport/transport.js'
import { nonsense } from './control_message.js'
import { cargoNumberSize, RecordType } from './record_type.js'

/** Chunks in one turn of the loop, so that a fast peer does not keep it from others. */
const chunksPerTurn = 8
/** Records are gathered up to so many bytes; longer ones are a chunk each. */
const largestGathered = 2 ** 15
const noDescriptors: readonly Closable[] = []

/** The calls that a reader makes to its transport. */
export interface ChannelReaderEvents {
  /** False: no more is wanted for now. */
  chunk(data: Buffer, received: readonly Closable[]): boolean
  /** Nothing comes any more, and everything was taken. */
  over(): void
  failed(error: Error): void
  /** The descriptors of this number; undefined while they are not there. */
  cargo(number: number): readonly Closable[] | undefined
}

/** Takes the bytes of a ring as few large chunks, in the turns of the event loop. */
export class ChannelReader {
  readonly #consumer: Consumer
  readonly #sleeper: Sleeper
  readonly #events: ChannelReaderEvents
  readonly #isMapped: boolean
  #wanted = false
  #awaitsEnd = false
  /** The peer has gone, by the control connection's word: what lies in the ring is all there will be. */
  #peerGone = false
  #over = false
  /** The next record waits for its descriptors. */
  #lacksCargo = false
  /** That record, where it had to be copied out of the ring to be looked at. */
  #copied: Buffer | undefined
  bytesRead = 0

  constructor(consumer: Consumer, events: ChannelReaderEvents) {
    this.#consumer = consumer
    this.#sleeper = Endpoint.sleeperOf(consumer)
    this.#events = events
    this.#isMapped = Endpoint.memoryOf(consumer) !== undefined
  }

  set ref(ref: boolean) {
    this.#sleeper.ref = ref
    // It was put to sleep with the old setting.
    if (this.#wanted || this.#awaitsEnd) this.#turnSoon()
  }

  /** @throws when the system has no thread to sleep with. */
  read(): void {
    if (this.#wanted) return
    if (!this.#hasRecord() && !this.#peerGone) {
      if (this.#sleeper.wait(0, this.#turn) === WaitStatus.nothingYet) {
        this.#wanted = true
        return
      }
    }
    this.#wanted = true
    soon(this.#turn)
  }

  pause(): void {
    this.#wanted = false
    if (!this.#awaitsEnd) this.#rest()
  }

  /** Tells of the end, if it comes before anything else. */
  awaitEnd(): void {
    this.#awaitsEnd = true
    if (!this.#wanted) this.#turnSoon()
  }

  /** One chunk, if it is there. */
  readNow(): void {
    try {
      this.#tell()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The peer has gone: the end comes when the ring is empty. */
  peerIsGone(): void {
    this.#peerGone = true
    if (this.#wanted || this.#awaitsEnd) this.#turnSoon()
  }

  /** Descriptors have come that a record may wait for. */
  cargoCame(): void {
    if (this.#wanted) this.#turnSoon()
  }

  close(): void {
    this.#over = true
    this.#wanted = false
    this.#awaitsEnd = false
    this.#rest()
  }

  #rest(): void {
    this.#sleeper.cancel()
  }

  #turnSoon(): void {
    inNextTurn(this.#turn)
  }

  readonly #turn = (): void => {
    if (this.#over) return
    this.#sleeper.cancel()
    try {
      this.#takeTurn()
    } catch (error) {
      this.#fail(error)
    }
  }

  #takeTurn(): void {
    for (let left = chunksPerTurn; left > 0; left--) {
      if (this.#wanted && this.#tell()) continue
      if (this.#over) return
      if (!this.#wanted && (!this.#awaitsEnd || this.#hasRecord())) return
      if (this.#lacksCargo) {
        if (this.#peerGone) throw nonsense('a record without its descriptors')
        return
      }
      if (this.#peerGone) {
        this.#conclude()
        return
      }
      const status = this.#sleeper.wait(0, this.#turn)
      if (status === WaitStatus.nothingYet) return
      if (status !== WaitStatus.ready) {
        this.#conclude()
        return
      }
      if (!this.#wanted) return // there is something before the end
    }
    this.#turnSoon()
  }

  /** Tells of the next chunk. False: there is none. */
  #tell(): boolean {
    if (this.#over) return false
    const chunk = this.#isMapped ? this.#gather() : this.#copy()
    if (chunk === undefined) return false
    this.bytesRead += chunk.data.length
    const more = this.#events.chunk(chunk.data, chunk.received)
    this.#wanted = more && !this.#over
    return true
  }

  #gather(): { data: Buffer; received: readonly Closable[] } | undefined {
    const consumer = this.#consumer
    let length = consumer.peek()
    if (length < 0) return undefined
    if (consumer.type !== RecordType.bytes) return this.#special(length)
    if (length > largestGathered) {
      const data = Buffer.allocUnsafeSlow(length)
      consumer.bytes.copy(data, 0, consumer.offset, consumer.offset + length)
      consumer.release()
      return { data, received: noDescriptors }
    }
    const room = slab.room(length)
    const { bytes } = consumer
    let count = 0
    do {
      const { offset } = consumer
      bytes.copy(slab.buffer, slab.offset + count, offset, offset + length)
      count += length
      consumer.release()
      length = consumer.peek()
    } while (length >= 0 && count + length <= room && isBytes(consumer.type))
    return { data: slab.take(count), received: noDescriptors }
  }

  /** A record that is more than bytes. */
  #special(length: number): { data: Buffer; received: readonly Closable[] } | undefined {
    const { bytes, offset, type } = this.#consumer
    if (type !== RecordType.cargo || length < cargoNumberSize) throw strange(type)
    const received = this.#takeCargo(bytes.readUInt32LE(offset))
    if (received === undefined) return undefined
    const data = Buffer.from(bytes.subarray(offset + cargoNumberSize, offset + length))
    this.#consumer.release()
    return { data, received }
  }

  /** Where the runtime forbids views of the ring. */
  #copy(): { data: Buffer; received: readonly Closable[] } | undefined {
    if (this.#copied === undefined) {
      const data = this.#consumer.tryRead()
      if (data === undefined) return undefined
      const { type } = this.#consumer
      if (type === RecordType.bytes) return { data, received: noDescriptors }
      if (type !== RecordType.cargo || data.length < cargoNumberSize) throw strange(type)
      this.#copied = data
    }
    const received = this.#takeCargo(this.#copied.readUInt32LE(0))
    if (received === undefined) return undefined
    const data = this.#copied.subarray(cargoNumberSize)
    this.#copied = undefined
    return { data, received }
  }

  #takeCargo(number: number): readonly Closable[] | undefined {
    const received = this.#events.cargo(number)
    this.#lacksCargo = received === undefined
    return received
  }

  #hasRecord(): boolean {
    return this.#isMapped ? this.#consumer.peek() >= 0 : this.#copied !== undefined
  }

  #conclude(): void {
    this.#rest()
    this.#wanted = false
    this.#awaitsEnd = false
    this.#events.over()
  }

  #fail(error: unknown): void {
    this.#rest()
    this.#events.failed(error as Error)
  }
}

/** A function, because the type is of another record each time. */
function isBytes(type: number): boolean {
  return type === RecordType.bytes
}

function strange(type: number): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_CORRUPT',
    type === RecordType.message || type === RecordType.part
      ? 'the peer sends messages; both ends have to use framed() then'
      : `the peer has written a record of the unknown type ${String(type)}`,
  )
}
