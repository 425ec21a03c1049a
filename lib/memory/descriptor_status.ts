import { fstatSync, statSync, type BigIntStats } from 'node:fs'

/** What the system says of the object behind a descriptor's number. */
export function descriptorStatus(number: number): BigIntStats {
  // Deno's node:fs has descriptors of its own, which are not the system's.
  if (process.platform === 'linux') {
    try {
      return statSync(`/proc/self/fd/${String(number)}`, { bigint: true })
    } catch {
      // Without /proc the descriptor itself is asked.
    }
  }
  return fstatSync(number, { bigint: true })
}
