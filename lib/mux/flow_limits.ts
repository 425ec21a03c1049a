/**
 * How much a receiver of streams holds for their readers, as it tells the sender in its HELLO.
 *
 * Each stream has a guarantee of its own, so that a reader that is stuck never stops the others; beyond it
 * all streams share one pool, so that a stream alone is fast. The bytes held are never more than
 * `slots * guarantee + pool`.
 */
import { checkInteger } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'

export interface FlowLimits {
  /** Bytes that each stream may have outstanding, whatever the others do: 1 or more. */
  readonly guarantee: number
  /** The most bytes that one stream may have outstanding: from `guarantee` to `mostWindow`. */
  readonly window: number
  /** Bytes beyond their guarantees that all streams may have outstanding together. */
  readonly pool: number
  /** How many streams the sender may have open, perhaps none: their numbers are 0 to `slots - 1`. */
  readonly slots: number
}

/** A window must be smaller than half of what an offset of 32 bits counts to. */
export const mostWindow = 2 ** 31 - 1
export const mostSlots = 2 ** 20
export const mostPool = 2 ** 32 - 1

const KiB = 1024
const MiB = 1024 * KiB

/** More in flight makes nothing faster between processes of one machine. */
const widestWindow = 8 * MiB
const largestGuarantee = 256 * KiB
/** With less, each few bytes would need a frame and its credit. */
const smallestGuarantee = 1 * KiB
/** From here on a guarantee is rounded up to `smallestGuarantee`, and half the memory again for the pool. */
const leastPerStream = 1.5 * smallestGuarantee

/**
 * About half of the memory goes to the guarantees, the rest to the pool. A guarantee is the nearest power
 * of two, so the pool has at least a third.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`, also when the memory is too little for so many streams
 */
export function flowLimits(memoryLimit: number, maxStreams: number): FlowLimits {
  checkInteger('options.maxStreams', maxStreams, 1, mostSlots)
  checkInteger('options.memoryLimit', memoryLimit, 1, mostPool)
  if (memoryLimit < maxStreams * leastPerStream) {
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      `options.memoryLimit must be at least ${String(leastPerStream)} bytes for each of ` +
        `options.maxStreams, which is ${String(maxStreams)}: ` +
        `${String(maxStreams * leastPerStream)}; received ${String(memoryLimit)}`,
    )
  }
  const share = nearestPowerOfTwo(memoryLimit / 2 / maxStreams)
  const guarantee = Math.min(share, largestGuarantee)
  const pool = memoryLimit - maxStreams * guarantee
  return {
    guarantee,
    pool,
    window: Math.min(widestWindow, Math.floor(pool / 2) + guarantee),
    slots: maxStreams,
  }
}

function nearestPowerOfTwo(value: number): number {
  const below = 2 ** Math.floor(Math.log2(value))
  return value < 1.5 * below ? below : 2 * below
}
