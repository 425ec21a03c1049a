/**
 * Looking again for a short time before sleeping.
 *
 * A wake-up through the kernel takes tens of microseconds; a message that comes sooner than that
 * is met faster by looking for it. Looking for one that does not come wastes the time, so by
 * default it is done only where it has paid lately.
 */
import { invalidArgument } from '../core/arguments.js'

/** How long one look may hold up the event loop. */
const sliceMs = 0.05
/** A wake-up this soon after going to sleep says that looking might have paid. */
const promisingMs = 0.4
const longestPenalty = 64

const defaultSpin = 50 // microseconds

export function checkSpin(spin: unknown): asserts spin is number {
  if (typeof spin !== 'number' || !(spin >= 0 && spin <= 1e6)) {
    throw invalidArgument('options.spin', 'microseconds from 0 to 1000000', spin)
  }
}

export class Polling {
  readonly #isReady: () => boolean
  readonly #spinMs: number
  readonly #adaptive: boolean
  #promising = false
  #penalty = 0 // how many sleeps to go without looking after the next failure
  #skip = 0
  #sleptAt = 0

  /** `spin`: microseconds; undefined: the default, adaptively. */
  constructor(isReady: () => boolean, spin: number | undefined) {
    this.#isReady = isReady
    this.#adaptive = spin === undefined
    this.#spinMs = (spin ?? defaultSpin) / 1000
  }

  /** How long to look before the next sleep, in milliseconds: 0 is not at all. */
  budget(): number {
    if (!this.#adaptive) return this.#spinMs
    if (!this.#promising) return 0
    if (this.#skip > 0) {
      this.#skip--
      return 0
    }
    return this.#spinMs
  }

  /** Looks for at most a slice of `milliseconds`; true when there is something. */
  look(milliseconds: number): boolean {
    const end = performance.now() + Math.min(milliseconds, sliceMs)
    do {
      // The clock costs as much as several looks.
      for (let i = 0; i < 16; i++) {
        if (this.#isReady()) {
          this.#penalty = 0
          return true
        }
      }
    } while (performance.now() < end)
    return false
  }

  /** The whole budget was spent for nothing. */
  failed(): void {
    this.#penalty = Math.min(this.#penalty * 2 + 1, longestPenalty)
    this.#skip = this.#penalty
  }

  goesToSleep(): void {
    this.#sleptAt = performance.now()
  }

  wokeUp(): void {
    this.#promising = performance.now() - this.#sleptAt < promisingMs
  }
}

export { sliceMs }
