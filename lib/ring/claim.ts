/** Claims the roles of a ring in its memory, and puts together what its endpoints work with. */
import { wakeups } from '../core/native.js'
import { native, type RingHandle } from './native.js'
import { NativeDoorbell, type MakeDoorbell } from './doorbell.js'
import type { Endpoint, EndpointParts } from './endpoint.js'
import { stateSize } from './endpoint_state.js'
import { RoleLife } from './life.js'
import { CopiedReader, MappedReader, type RecordReader } from './record_reader.js'
import { CopiedWriter, MappedWriter, type RecordWriter } from './record_writer.js'

/** The parts of a ring that its ends work with. */
export interface RingAccess {
  handle: RingHandle
  capacity: number
  /** Undefined where the runtime forbids ArrayBuffers over foreign memory. */
  memory: ArrayBuffer | undefined
  /** Called once when the endpoint has closed. */
  left: (endpoint: Endpoint) => void
  /** How the ends wake each other; by default by the doorbells in the ring's memory. */
  makeDoorbell?: MakeDoorbell | undefined
}

const nativeDoorbell: MakeDoorbell = (id, handle) => new NativeDoorbell(id, handle)

export function claimProducer(ring: RingAccess): EndpointParts & { writer: RecordWriter } {
  const { capacity, memory, left, makeDoorbell = nativeDoorbell } = ring
  const id = wakeups.newId()
  const state = new Int32Array(new ArrayBuffer(stateSize))
  const handle = new native.ProducerHandle(ring.handle, state.buffer, id)
  const doorbell = makeDoorbell(id, handle)
  const life = new RoleLife(handle, ring.handle, 'consumer')
  const writer =
    memory === undefined
      ? new CopiedWriter(handle, capacity, state)
      : new MappedWriter(memory, capacity, state, doorbell)
  return { capacity, memory, state, doorbell, life, left, writer }
}

export function claimConsumer(ring: RingAccess): EndpointParts & { reader: RecordReader } {
  const { capacity, memory, left, makeDoorbell = nativeDoorbell } = ring
  const id = wakeups.newId()
  const state = new Int32Array(new ArrayBuffer(stateSize))
  const handle = new native.ConsumerHandle(ring.handle, state.buffer, id)
  const doorbell = makeDoorbell(id, handle)
  const life = new RoleLife(handle, ring.handle, 'producer')
  const reader =
    memory === undefined
      ? new CopiedReader(handle, capacity, state)
      : new MappedReader(memory, capacity, state, doorbell)
  return { capacity, memory, state, doorbell, life, left, reader }
}
