/** The bytes beyond their guarantees that all streams of one direction share, counted by both sides alike. */
export class Pool {
  readonly guarantee: number
  readonly size: number
  #used = 0

  constructor(guarantee: number, size: number) {
    this.guarantee = guarantee
    this.size = size
  }

  /** Bytes that all streams together take of it. */
  get used(): number {
    return this.#used
  }

  get free(): number {
    return this.size - this.#used
  }

  /** The bytes of the pool that a stream takes with so many outstanding. */
  excess(outstanding: number): number {
    return outstanding > this.guarantee ? outstanding - this.guarantee : 0
  }

  /** A stream that had `before` bytes outstanding now has `after`. */
  change(before: number, after: number): void {
    this.#used += this.excess(after) - this.excess(before)
  }
}
