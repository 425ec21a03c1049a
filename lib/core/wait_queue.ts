import { SluiceError } from './errors.js'
import { Operation, type Rejectable } from './operation.js'
import { aborted, promised, type WaitOptions } from './wait_options.js'

/** An attempt's way to say that it has to wait. */
export const notYet = Symbol('not yet')

/** How many operations may wait on one object before `ERR_SLUICE_QUEUE_FULL`. */
export const maxWaiting = 1024

/** The error of an operation that is one too many; `what` are they: 'sends'. */
export function queueFull(what: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_QUEUE_FULL',
    `${String(maxWaiting)} ${what} already wait; await them before starting more`,
  )
}

interface Waiter {
  readonly operation: Operation<unknown>
  readonly attempt: () => unknown
}

/**
 * A first-in first-out queue of operations on one object. Only the first is attempted, so that
 * writes keep their order and a large one is not starved by small ones.
 */
export class WaitQueue {
  readonly #waiters: Waiter[] = []
  readonly #changed: () => void
  #ref = true

  /** `changed` is called when a cancellation has made another waiter the first, or has left none. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get length(): number {
    return this.#waiters.length
  }

  /** Whether the times of those that wait keep the process alive. */
  set ref(ref: boolean) {
    this.#ref = ref
    for (const { operation } of this.#waiters) operation.ref = ref
  }

  /** Settles when `attempt` returns something, throws, or the wait is cancelled. */
  add<T>(what: string, attempt: () => T | typeof notYet, options: WaitOptions): Promise<T> {
    if (options.signal?.aborted === true) return aborted(options.signal)
    if (this.#waiters.length >= maxWaiting) return Promise.reject(queueFull('operations'))
    return promised(() => {
      const operation = new Operation<T>(what, options, this.#cancel, this.#ref)
      this.#waiters.push({ operation: operation as Operation<unknown>, attempt })
      return operation.promise
    })
  }

  /** Settles as many as can be, in order. */
  service(): void {
    for (;;) {
      const waiter = this.#waiters.at(0)
      if (waiter === undefined || !attempt(waiter)) return
      // Not simply the first: the attempt may have run code that cancelled some.
      const index = this.#waiters.indexOf(waiter)
      if (index >= 0) this.#waiters.splice(index, 1)
    }
  }

  /** Rejects all. */
  fail(reason: unknown): void {
    for (const { operation } of this.#waiters.splice(0)) operation.reject(reason)
  }

  readonly #cancel = (operation: Rejectable, reason: unknown): void => {
    const index = this.#waiters.findIndex((waiter) => waiter.operation === operation)
    if (index < 0) return
    this.#waiters.splice(index, 1)
    operation.reject(reason)
    if (index === 0) this.#changed()
  }
}

/** Whether it has settled. */
function attempt({ operation, attempt }: Waiter): boolean {
  try {
    const value = attempt()
    if (value === notYet) return false
    operation.resolve(value)
  } catch (error) {
    operation.reject(error)
  }
  return true
}
