/** A ring as a bystander sees it: no role is claimed and nothing is written. */
import { isSystemError, SluiceError } from '../core/errors.js'
import { descriptorStatus } from '../memory/descriptor_status.js'
import { native as memoryNative, type SharedMemoryHandle } from '../memory/native.js'
import {
  native,
  RingCreation,
  type RingHandle,
  type RingSideStats,
  type RingStats,
} from './native.js'
import { needsViews } from './endpoint_state.js'
import { viewHeader, type HeaderSideView } from './header_view.js'
import { headerSize } from './layout.js'

/** One end of a ring, as {@link Ring.inspect} tells it. */
export interface RingSideView extends Omit<RingSideStats, 'alive'> {
  /** Undefined when this user may read the ring only: then the system does not say who is there. */
  alive: boolean | undefined
}

/** The result of {@link Ring.inspect}. */
export interface RingView extends Omit<RingStats, 'producer' | 'consumer'> {
  /** The writing end. */
  producer: RingSideView
  /** The reading end. */
  consumer: RingSideView
}

/** The state of a ring that is not there yet; see {@link Ring.unfinished}. */
export type UnfinishedRing = 'being-made' | 'half-made'

export function unfinishedRing(name: string): UnfinishedRing | undefined {
  const creation = native.creationOf(name)
  if (creation === RingCreation.none) return undefined
  return creation === RingCreation.underWay ? 'being-made' : 'half-made'
}

/** Throws what `Ring.open` throws. */
export function inspectRing(name: string): RingView {
  let handle: RingHandle
  try {
    handle = native.openRing(name, 0, 'any')
  } catch (error) {
    if (needsLess(error)) return inspectReadOnly(name)
    throw error
  }
  try {
    return handle.stats()
  } finally {
    handle.close()
  }
}

/**
 * The right to write, or memory for a mapping of all that somebody says is there: of a sparse object
 * that can be more than there is, and a ring's header is little.
 */
function needsLess(error: unknown): boolean {
  return isSystemError(error, 'EACCES', 'EPERM', 'ENOMEM')
}

function inspectReadOnly(name: string): RingView {
  const memory = openHeader(name)
  try {
    const buffer = memory.buffer()
    if (buffer === undefined) throw needsViews()
    try {
      return viewOf(buffer, sizeOf(memory), name)
    } finally {
      memoryNative.detachBuffer(buffer)
    }
  } finally {
    memory.close()
  }
}

function openHeader(name: string): SharedMemoryHandle {
  try {
    return memoryNative.openMemory(name, true, 'any', 0, headerSize)
  } catch (error) {
    const tooShort = error instanceof SluiceError && error.code === 'ERR_SLUICE_INVALID_ARGUMENT'
    throw tooShort ? notARing(name) : error
  }
}

/** The size of the whole memory, though only the header is mapped; Windows has no such call. */
function sizeOf(memory: SharedMemoryHandle): number {
  return process.platform === 'win32'
    ? Infinity
    : Number(descriptorStatus(memory.descriptor()).size)
}

function notARing(name: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_NOT_A_RING',
    `shared memory '${name}' is not a ring, or not one of this version`,
  )
}

function viewOf(buffer: ArrayBuffer, size: number, name: string): RingView {
  const view = viewHeader(buffer, size)
  if (view === undefined) throw notARing(name)
  const { capacity, used, producer, consumer } = view
  return { capacity, used, producer: sideOf(producer), consumer: sideOf(consumer) }
}

/** The lock says who is alive, and it can be asked for only by who may write. */
function sideOf({ parked: _, ...side }: HeaderSideView): RingSideView {
  return { ...side, alive: undefined }
}
