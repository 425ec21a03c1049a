/** Which object a name leads to: names can be removed and given anew while a ring is open. */
import { isSystemError } from '../core/errors.js'
import { descriptorStatus } from './descriptor_status.js'
import { native } from './native.js'

export interface Identity {
  dev: bigint
  ino: bigint
}

/** The identity of the object behind a descriptor. (On macOS all shared memory looks alike.) */
export function identityOf(fd: number): Identity {
  const { dev, ino } = descriptorStatus(fd)
  return { dev, ino }
}

/**
 * Whether the name leads to this object, to another one, or nowhere. By the time that the caller
 * acts on it somebody may have changed that: no system can remove a name only if it leads to this.
 */
export function whereNameLeads(
  name: string,
  { dev, ino }: Identity,
): 'here' | 'elsewhere' | 'nowhere' {
  let memory
  try {
    memory = native.openMemory(name, true, 'any', 0, 1) // as little as there is
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 'nowhere'
    throw error
  }
  try {
    const there = identityOf(memory.descriptor())
    return there.dev === dev && there.ino === ino ? 'here' : 'elsewhere'
  } finally {
    memory.close()
  }
}
