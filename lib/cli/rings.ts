/** Rings as a bystander sees them. */
import { isSystemError, Ring, SluiceError, type RingView, type UnfinishedRing } from '../index.js'
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

export function isInUse({ producer, consumer }: RingView): boolean {
  return producer.alive !== false || consumer.alive !== false
}

/** Something else, half-made, of a newer version, or removed since it was listed. */
function isNoRing(error: unknown): boolean {
  if (isSystemError(error)) return error.code === 'ENOENT'
  return error instanceof SluiceError
}
