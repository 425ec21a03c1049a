/** Operations that wait: in order, bounded, each cancellable by a signal and by a time. */
import { AbortListeners } from './abort_listeners.js'
import { invalidArgument } from './arguments.js'
import { SluiceError } from './errors.js'

/** What every operation that can wait takes. */
export interface WaitOptions {
  /** Rejects with the signal's reason when it aborts. */
  signal?: AbortSignal | undefined
  /** Milliseconds until it rejects with `ERR_SLUICE_TIMEOUT`; by default there is no limit. */
  timeout?: number | undefined
}

export const waitOptionNames = ['signal', 'timeout'] as const

/** An attempt's way to say that it has to wait. */
export const notYet = Symbol('not yet')

/** How many operations may wait on one object before `ERR_SLUICE_QUEUE_FULL`. */
export const maxWaiting = 1024

export function checkWaitOptions({ signal, timeout }: WaitOptions): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('options.signal', 'an AbortSignal', signal)
  }
  checkTimeout('options.timeout', timeout)
}

export function checkTimeout(name: string, timeout: unknown): void {
  if (timeout === undefined) return
  if (typeof timeout !== 'number' || !(timeout >= 0)) {
    throw invalidArgument(name, 'a number of milliseconds, 0 or more', timeout)
  }
}

export function timedOut(what: string, timeout: number): SluiceError {
  return new SluiceError('ERR_SLUICE_TIMEOUT', `${what} timed out after ${String(timeout)} ms`)
}

/** Runs what may throw, for a call whose failures are rejections. */
export function promised<T>(action: () => Promise<T>): Promise<T> {
  try {
    return action()
  } catch (error) {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what it throws is ours
    return Promise.reject(error)
  }
}

/** A promise that is rejected with the reason of a signal that has aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a reason can be anything
  return Promise.reject(signal.reason)
}

interface Waiter {
  /** Settles it if it can be settled now. */
  attempt: () => boolean
  fail: (reason: unknown) => void
  timer?: NodeJS.Timeout
}

// Longer delays make Node's timers fire at once.
const longestDelay = 2 ** 31 - 1

/**
 * A first-in first-out queue of operations on one object. Only the first is attempted, so that
 * writes keep their order and a large one is not starved by small ones.
 */
export class WaitQueue {
  readonly #waiters: Waiter[] = []
  readonly #changed: () => void
  readonly #listeners = new AbortListeners<Waiter>((waiter, reason) => {
    this.#cancel(waiter, reason)
  })
  #ref = true

  /** `changed` is called when the first waiter has become another one, or none. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get length(): number {
    return this.#waiters.length
  }

  set ref(ref: boolean) {
    this.#ref = ref
    for (const { timer } of this.#waiters) {
      if (ref) {
        timer?.ref()
      } else {
        timer?.unref()
      }
    }
  }

  /** Settles when `attempt` returns something, throws, or the wait is cancelled. */
  add<T>(what: string, attempt: () => T | typeof notYet, options: WaitOptions): Promise<T> {
    const { signal, timeout } = options
    if (signal?.aborted === true) return aborted(signal)
    if (this.#waiters.length >= maxWaiting) {
      return Promise.reject(
        new SluiceError(
          'ERR_SLUICE_QUEUE_FULL',
          `${String(maxWaiting)} operations already wait; await them before starting more`,
        ),
      )
    }
    return new Promise<T>((resolve, reject) => {
      const settled = () => {
        clearTimeout(waiter.timer)
        if (signal !== undefined) this.#listeners.remove(signal, waiter)
      }
      const waiter: Waiter = {
        attempt: () => {
          try {
            const value = attempt()
            if (value === notYet) return false
            settled()
            resolve(value)
          } catch (error) {
            waiter.fail(error)
          }
          return true
        },
        fail: (reason) => {
          settled()
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason can be anything
          reject(reason)
        },
      }
      if (signal !== undefined) this.#listeners.add(signal, waiter)
      if (timeout !== undefined && timeout <= longestDelay) {
        waiter.timer = setTimeout(() => {
          this.#cancel(waiter, timedOut(what, timeout))
        }, timeout)
        if (!this.#ref) waiter.timer.unref()
      }
      this.#waiters.push(waiter)
    })
  }

  /** Settles as many as can be, in order. */
  service(): void {
    for (;;) {
      const waiter = this.#waiters.at(0)
      if (waiter?.attempt() !== true) return
      // Not simply the first: what was called by the attempt may have cancelled some.
      const index = this.#waiters.indexOf(waiter)
      if (index >= 0) this.#waiters.splice(index, 1)
    }
  }

  /** Rejects all. */
  fail(reason: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.fail(reason)
  }

  #cancel(waiter: Waiter, reason: unknown): void {
    const index = this.#waiters.indexOf(waiter)
    if (index < 0) return
    this.#waiters.splice(index, 1)
    waiter.fail(reason)
    if (index === 0) this.#changed()
  }
}
