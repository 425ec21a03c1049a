/** Work that is left for the exit of the process: `process.exit` runs no finalizers. */
export class AtExit<T> {
  readonly #items = new Set<T>()
  readonly #doAll: () => void

  constructor(work: (item: T) => void) {
    this.#doAll = () => {
      for (const item of this.#items) work(item)
    }
  }

  add(item: T): void {
    if (this.#items.size === 0) process.on('exit', this.#doAll)
    this.#items.add(item)
  }

  delete(item: T): void {
    if (this.#items.delete(item) && this.#items.size === 0) process.off('exit', this.#doAll)
  }
}
