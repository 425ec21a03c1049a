/** Trying again after a pause, where nothing tells when it would succeed. */
import { Operation } from './operation.js'
import { soon } from './turn.js'
import { notYet } from './wait_queue.js'
import { aborted, type WaitOptions } from './wait_options.js'

/** Pauses between attempts, in milliseconds: each is longer than the one before. */
export interface Backoff {
  firstMs: number
  longestMs: number
  /** How many times longer; default 2. */
  factor?: number
  /**
   * Spreads the pauses, so that those who wait do not come all at once: from half to one and a half of
   * each. `'full'`: from none to the whole of each, which spreads most and is never longer.
   */
  jitter?: boolean | 'full'
}

/** For a server or a queue of the system that is full for a moment. */
export const shortBackoff: Backoff = { firstMs: 1, longestMs: 32 }

/** Calls `again` after a pause, which grows until `reset`. */
export class RetryTimer {
  readonly #again: () => void
  readonly #backoff: Backoff
  #pause: number
  #timer: NodeJS.Timeout | undefined
  #ref: boolean

  /** `ref`: whether a pause keeps the process alive. */
  constructor(again: () => void, backoff: Backoff, ref = true) {
    this.#again = again
    this.#backoff = backoff
    this.#pause = backoff.firstMs
    this.#ref = ref
  }

  get running(): boolean {
    return this.#timer !== undefined
  }

  set ref(ref: boolean) {
    this.#ref = ref
    if (ref) this.#timer?.ref()
    else this.#timer?.unref()
  }

  /** Begins a pause, unless one is under way; returns how long it is. */
  start(): number {
    if (this.#timer !== undefined) return 0
    const { jitter = false, factor = 2, longestMs } = this.#backoff
    const pause = this.#pause * spread(jitter)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#again()
    }, pause)
    if (!this.#ref) this.#timer.unref()
    this.#pause = Math.min(this.#pause * factor, longestMs)
    return pause
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** The next pause is the first again. */
  reset(): void {
    this.#pause = this.#backoff.firstMs
  }
}

function spread(jitter: boolean | 'full'): number {
  if (jitter === 'full') return Math.random()
  return jitter ? 0.5 + Math.random() : 1
}

/**
 * Attempts until one returns something else than `notYet`, or throws. An attempt may also return a
 * promise, whose outcome is final. `abandon` lets go of what the attempts hold when the wait is
 * cancelled.
 */
export function retry<T>(
  what: string,
  attempt: () => T | Promise<T> | typeof notYet,
  backoff: Backoff,
  options: WaitOptions,
  abandon: () => void,
): Promise<T> {
  if (options.signal?.aborted === true) return aborted(options.signal)
  let operation: Operation<T>
  try {
    operation = new Operation<T>(what, options, (_, reason) => {
      timer.stop()
      operation.reject(reason)
      abandon()
    })
  } catch (error) {
    abandon()
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a SluiceError
    return Promise.reject(error)
  }
  const tryNow = () => {
    if (operation.settled) return
    try {
      const result = attempt()
      if (result === notYet) {
        timer.start()
      } else if (result instanceof Promise) {
        result.then(
          (value) => {
            operation.resolve(value)
          },
          (error: unknown) => {
            operation.reject(error)
          },
        )
      } else {
        operation.resolve(result)
      }
    } catch (error) {
      operation.reject(error)
    }
  }
  const timer = new RetryTimer(tryNow, backoff)
  // A loop of calls that succeed at once would keep the event loop from all others.
  soon(tryNow)
  return operation.promise
}
