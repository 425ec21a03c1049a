import { SluiceError } from '../core/errors.js'
import type { Closable } from '../transport/transport.js'
import type { RecordTaker } from './channel_reader.js'
import type { IncomingRecords } from './incoming_records.js'
import { numberSize, RecordType } from './record_type.js'

const noDescriptors: readonly Closable[] = []

/** The calls that a taker of chunks makes to its transport. */
export interface ChunkEvents {
  /** False: no more is wanted for now. */
  chunk(data: Buffer, received: readonly Closable[]): boolean
  /** The descriptors of this number; undefined while they are not there. */
  cargo(number: number): readonly Closable[] | undefined
}

/** Takes the records of a stream as few large chunks. */
export class ChunkTaker implements RecordTaker {
  readonly #records: IncomingRecords
  readonly #events: ChunkEvents
  lacksCargo = false

  constructor(records: IncomingRecords, events: ChunkEvents) {
    this.#records = records
    this.#events = events
  }

  get hasMore(): boolean {
    return this.#records.isThere
  }

  take(): boolean | undefined {
    const records = this.#records
    const length = records.next()
    if (length < 0) return undefined
    const { type } = records
    if (type === RecordType.bytes) {
      const data = records.join()
      return data.length === 0 || this.#events.chunk(data, noDescriptors)
    }
    if (type !== RecordType.cargo || length < numberSize) throw strange(type)
    const received = this.#events.cargo(records.number())
    this.lacksCargo = received === undefined
    if (received === undefined) return undefined
    const data = records.copy(numberSize)
    records.release()
    records.settle()
    return this.#events.chunk(data, received)
  }
}

function strange(type: number): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_CORRUPT',
    type === RecordType.message || type === RecordType.part || type === RecordType.beat
      ? 'the peer sends messages; both ends have to use framed() then'
      : `the peer has written a record of the unknown type ${String(type)}`,
  )
}
