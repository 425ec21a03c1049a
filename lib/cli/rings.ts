/** Rings as a bystander sees them: no role is claimed and nothing is written. */
import { Ring, SharedMemory, SluiceError, type RingSideStats, type RingStats } from '../index.js'
import { systemCode } from './failure.js'

export interface SideView extends Omit<RingSideStats, 'alive'> {
  /** Undefined when this user may read the ring only: then nobody says who has its locks. */
  alive: boolean | undefined
}

export interface RingView extends Omit<RingStats, 'producer' | 'consumer'> {
  producer: SideView
  consumer: SideView
}

export interface OpenView {
  look: () => RingView
  close: () => void
}

/** Undefined when the object is no ring, not a finished one, or not for this user's eyes. */
export function viewRing(name: string): OpenView | undefined {
  try {
    const ring = Ring.open(name, { timeout: 0, owner: 'any' })
    return {
      look: () => ring.stats(),
      close: () => {
        ring.close()
      },
    }
  } catch (error) {
    if (systemCode(error) === 'EACCES') return viewReadOnly(name)
    if (isNoRing(error)) return undefined
    throw error
  }
}

export function isInUse({ producer, consumer }: RingView): boolean {
  return producer.alive !== false || consumer.alive !== false
}

/** Something else, half-made, of a newer version, or removed since it was listed. */
function isNoRing(error: unknown): boolean {
  return (
    error instanceof SluiceError &&
    (error.code !== 'ERR_SLUICE_SYSTEM' || systemCode(error) === 'ENOENT')
  )
}

// docs/ring-format.md
const magic = 'SLUICERG'
const headerSize = 4096
const states = ['never', 'open', 'closed'] as const

function viewReadOnly(name: string): OpenView | undefined {
  let memory: SharedMemory
  try {
    memory = SharedMemory.open(name, { readOnly: true, owner: 'any' })
  } catch (error) {
    if (systemCode(error) === 'EACCES' || isNoRing(error)) return undefined
    throw error
  }
  const bytes = new DataView(memory.buffer)
  const word = (offset: number) => bytes.getUint32(offset, true)
  const side = (offset: number): SideView => ({
    state: states[Math.min(word(offset + 8), 2)] ?? 'closed',
    alive: undefined,
    pid: word(offset + 12),
    messages: word(offset + 4),
  })
  const isRing =
    memory.size > headerSize &&
    Buffer.from(memory.buffer, 0, magic.length).toString('latin1') === magic &&
    word(8) >>> 16 === 1 &&
    memory.size >= headerSize + word(16)
  if (!isRing) {
    memory.close()
    return undefined
  }
  return {
    look: () => {
      const capacity = word(16)
      const used = (word(128) - word(256)) >>> 0
      return {
        capacity,
        used: used > capacity ? 0 : used,
        producer: side(128),
        consumer: side(256),
      }
    },
    close: () => {
      memory.close()
    },
  }
}
