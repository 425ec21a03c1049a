/**
 * How much of a repeated or large test is done. `npm test` does what shows the way and most faults
 * in seconds; `npm run test:all`, which CI runs, what finds a race; `npm run test:long` takes hours.
 */
export interface Amounts<T> {
  short: T
  full: T
  /** Default: the same as `full`, where more would find nothing more. */
  long?: T
}

const form = process.env['SLUICE_STRESS'] ?? 'short'

export function stress<T>({ short, full, long = full }: Amounts<T>): T {
  if (form === 'long') return long
  if (form === 'full') return full
  if (form === 'short') return short
  throw new Error(`SLUICE_STRESS is short, full or long, not '${form}'`)
}
