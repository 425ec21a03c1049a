/** At most so many a second, counted with a bucket of tokens. */

/**
 * The bucket holds the tokens of one second, so that many can come at once after a quiet second; it
 * is filled steadily, by the time that has passed.
 */
export class RateLimit {
  readonly #perSecond: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, now = performance.now()) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#filledAt = now
  }

  /** Whether one more may come now. */
  hasRoom(now = performance.now()): boolean {
    const filled = this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, filled)
    this.#filledAt = now
    return this.#tokens >= 1
  }

  /** One more has come. */
  take(): void {
    this.#tokens--
  }
}
