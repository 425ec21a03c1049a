import { abortReason } from './arguments.js'
import { SluiceError } from './errors.js'
import { longestDelay, timedOut, type WaitOptions } from './wait_options.js'

/** An operation whatever it resolves with. */
export interface Rejectable {
  reject(reason: unknown): void
}

/** Something that a signal stops. */
export interface Cancellable {
  readonly cancel: (reason: unknown) => void
}

/**
 * A promise with its signal and its timer, which is settled once. Wait queues, retries and the outbox
 * of a connection are lists of these.
 */
export class Operation<T = void> implements Cancellable {
  readonly promise: Promise<T>
  #resolve: ((value: T) => void) | undefined
  #reject: ((reason: unknown) => void) | undefined
  readonly #signal: AbortSignal | undefined
  #timer: NodeJS.Timeout | undefined
  /** Called when the signal or the time says so; it decides what becomes of the operation. */
  readonly cancel: (reason: unknown) => void

  /**
   * `ref`: whether its time keeps the process alive. A signal that has aborted is the caller's to see.
   * Throws as `onAbort` does, so nothing is to depend on the operation before it is made.
   */
  constructor(
    what: string,
    { signal, timeout }: WaitOptions,
    cancel: (operation: Rejectable, reason: unknown) => void,
    ref = true,
  ) {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.cancel = (reason) => {
      cancel(this, reason)
    }
    this.#signal = signal
    if (signal !== undefined) onAbort(signal, this)
    if (timeout !== undefined && timeout <= longestDelay) {
      this.#timer = setTimeout(() => {
        this.cancel(timedOut(what, timeout))
      }, timeout)
      if (!ref) this.#timer.unref()
    }
  }

  get settled(): boolean {
    return this.#resolve === undefined
  }

  set ref(ref: boolean) {
    if (ref) this.#timer?.ref()
    else this.#timer?.unref()
  }

  resolve(value: T): void {
    const resolve = this.#resolve
    this.#letGo()
    resolve?.(value)
  }

  reject(reason: unknown): void {
    const reject = this.#reject
    this.#letGo()
    reject?.(reason)
  }

  #letGo(): void {
    if (this.#resolve === undefined) return
    this.#resolve = undefined
    this.#reject = undefined
    clearTimeout(this.#timer)
    if (this.#signal !== undefined) offAbort(this.#signal, this)
  }
}

// One listener for each signal, however many operations it may cancel: a signal that is passed to many
// calls is normal use, and must not look like a leak to Node.
const signals = new WeakMap<AbortSignal, { operations: Set<Cancellable>; listener: () => void }>()

/**
 * Has it cancelled when the signal aborts, until `offAbort`.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT` for a forged signal whose methods throw.
 */
export function onAbort(signal: AbortSignal, operation: Cancellable): void {
  let entry = signals.get(signal)
  if (entry === undefined) {
    const operations = new Set<Cancellable>()
    const listener = () => {
      // Cancelling removes from the set.
      for (const one of [...operations]) one.cancel(abortReason(signal))
    }
    entry = { operations, listener }
    try {
      signal.addEventListener('abort', listener)
    } catch (cause) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        'options.signal refuses to be listened to',
        {
          cause,
        },
      )
    }
    signals.set(signal, entry)
  }
  entry.operations.add(operation)
}

export function offAbort(signal: AbortSignal, operation: Cancellable): void {
  const entry = signals.get(signal)
  if (entry === undefined) return
  entry.operations.delete(operation)
  if (entry.operations.size > 0) return
  signals.delete(signal)
  signal.removeEventListener('abort', entry.listener)
}
