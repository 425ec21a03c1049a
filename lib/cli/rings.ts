/** Rings as a bystander sees them. */
import {
  isSystemError,
  Ring,
  SluiceError,
  type RingSideView,
  type RingView,
  type UnfinishedRing,
} from '../index.js'
import { isForbidden } from './failure.js'

/** Undefined when the object is no ring, not a finished one, or not for this user's eyes. */
export function viewRing(name: string): RingView | undefined {
  try {
    return Ring.inspect(name)
  } catch (error) {
    if (isForbidden(error) || isNoRing(error)) return undefined
    throw error
  }
}

/** Undefined also for what this user may not look at, or has gone. */
export function unfinished(name: string): UnfinishedRing | undefined {
  try {
    return Ring.unfinished(name)
  } catch (error) {
    if (error instanceof SluiceError) return undefined
    throw error
  }
}

export type SideState = 'never' | 'alive' | 'dead' | 'closed' | 'unknown'

export function sideStateOf({ state, alive }: Pick<RingSideView, 'state' | 'alive'>): SideState {
  if (alive === true) return 'alive'
  if (state !== 'open') return state
  return alive === undefined ? 'unknown' : 'dead'
}

/** The rate of a count or a position of a ring, both of which wrap at 2^32. */
export function perSecond(before: number, now: number, seconds: number): number {
  return Math.round(((now - before) >>> 0) / seconds)
}

export function isInUse({ producer, consumer }: RingView): boolean {
  return producer.alive !== false || consumer.alive !== false
}

/** Something else, half-made, of a newer version, or removed since it was listed. */
function isNoRing(error: unknown): boolean {
  if (isSystemError(error)) return error.code === 'ENOENT'
  return error instanceof SluiceError
}
