/** Rings as a bystander sees them. */
import { Ring, SluiceError, type RingView } from '../index.js'
import { systemCode } from './failure.js'

/** Undefined when the object is no ring, not a finished one, or not for this user's eyes. */
export function viewRing(name: string): RingView | undefined {
  try {
    return Ring.inspect(name)
  } catch (error) {
    if (systemCode(error) === 'EACCES' || isNoRing(error)) return undefined
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
