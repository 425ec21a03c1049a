/**
 * One listener for each signal, however many operations it may cancel: a signal that is passed to
 * many calls is normal use and must not look like a leak.
 */
export class AbortListeners<Operation> {
  readonly #signals = new Map<AbortSignal, { operations: Set<Operation>; listener: () => void }>()
  readonly #cancel: (operation: Operation, reason: unknown) => void

  constructor(cancel: (operation: Operation, reason: unknown) => void) {
    this.#cancel = cancel
  }

  add(signal: AbortSignal, operation: Operation): void {
    let entry = this.#signals.get(signal)
    if (entry === undefined) {
      const operations = new Set<Operation>()
      const listener = () => {
        // Cancelling removes from the set.
        for (const one of [...operations]) this.#cancel(one, signal.reason)
      }
      entry = { operations, listener }
      this.#signals.set(signal, entry)
      signal.addEventListener('abort', listener)
    }
    entry.operations.add(operation)
  }

  remove(signal: AbortSignal, operation: Operation): void {
    const entry = this.#signals.get(signal)
    if (entry === undefined) return
    entry.operations.delete(operation)
    if (entry.operations.size > 0) return
    this.#signals.delete(signal)
    signal.removeEventListener('abort', entry.listener)
  }
}
