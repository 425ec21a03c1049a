/** The options of every call that can wait. */
import { abortReason, checkSignal, invalidArgument } from './arguments.js'
import { SluiceError } from './errors.js'

/** The options of every operation that can wait, such as {@link Consumer.read} and {@link connectUnix}. */
export interface WaitOptions {
  /** Rejects with the signal's reason when it aborts; default none. */
  signal?: AbortSignal | undefined
  /** Milliseconds until it rejects with `ERR_SLUICE_TIMEOUT`; by default there is no limit. */
  timeout?: number | undefined
}

export const waitOptionNames = ['signal', 'timeout'] as const

/** Node's timers fire at once when they are given a longer delay. */
export const longestDelay = 2 ** 31 - 1

export function checkWaitOptions({ signal, timeout }: WaitOptions): void {
  checkSignal('options.signal', signal)
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

/** A promise that is rejected with the reason of a signal that has aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a reason can be anything
  return Promise.reject(abortReason(signal))
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
