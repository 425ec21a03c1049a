/** How a connection is made again. */
import {
  checkBoolean,
  checkInteger,
  checkSignal,
  invalidArgument,
  ownOptions,
} from '../core/arguments.js'
import { longestDelay } from '../core/wait_options.js'
import { defaultConnectTimeout } from './attempt.js'

/** The options of a {@link ReconnectingConnection}. */
export interface ReconnectOptions {
  /** Milliseconds that one attempt to connect may take; default 30 s. */
  connectTimeout?: number
  /** Milliseconds before the first retry at most; default 100. */
  initialDelay?: number
  /** Milliseconds before any retry at most; default 30 s, or `initialDelay` if that is longer. */
  maxDelay?: number
  /** Each delay may have this many times the milliseconds of the one before; 1 or more, default 2. */
  factor?: number
  /**
   * Default true: each delay is a random part of what it may be, so that many clients of a server that was
   * started again do not come at once. False: all of it.
   */
  jitter?: boolean
  /** Retries until it gives up, counted anew after a healthy connection; by default it never does. */
  maxRetries?: number
  /**
   * Milliseconds that a connection has to stand to be healthy, after which the delays are short again; default
   * 5 s. A server that takes clients in only to close them is not healthy.
   */
  healthyAfter?: number
  /** Messages that wait to be sent at most; default 1024. */
  maxQueuedMessages?: number
  /**
   * Bytes of them at most, except for one alone, which may have more; default 16 MiB. Messages that are no
   * bytes are not counted here.
   */
  maxQueuedBytes?: number
  /** Aborts the connection, with the signal's reason, when it aborts; default none. */
  signal?: AbortSignal
}

export const reconnectOptionNames = [
  'connectTimeout',
  'initialDelay',
  'maxDelay',
  'factor',
  'jitter',
  'maxRetries',
  'healthyAfter',
  'maxQueuedMessages',
  'maxQueuedBytes',
  'signal',
] as const

export type CheckedReconnectOptions = Required<Omit<ReconnectOptions, 'signal'>> &
  Pick<ReconnectOptions, 'signal'>

/** @throws `ERR_SLUICE_INVALID_ARGUMENT` */
export function checkedReconnectOptions(
  given: ReconnectOptions,
  name = 'options',
): CheckedReconnectOptions {
  const {
    connectTimeout = defaultConnectTimeout,
    initialDelay = 100,
    maxDelay = Math.max(30_000, initialDelay),
    factor = 2,
    jitter = true,
    maxRetries = Infinity,
    healthyAfter = 5000,
    maxQueuedMessages = 1024,
    maxQueuedBytes = 2 ** 24,
    signal,
  } = ownOptions(given, reconnectOptionNames, name)
  checkInteger(`${name}.connectTimeout`, connectTimeout, 1, longestDelay)
  checkInteger(`${name}.initialDelay`, initialDelay, 1, longestDelay)
  checkInteger(`${name}.maxDelay`, maxDelay, initialDelay, longestDelay)
  if (typeof factor !== 'number' || !(factor >= 1 && factor < Infinity)) {
    throw invalidArgument(`${name}.factor`, 'a number, 1 or more', factor)
  }
  checkBoolean(`${name}.jitter`, jitter)
  if (maxRetries !== Infinity) checkInteger(`${name}.maxRetries`, maxRetries, 0)
  checkInteger(`${name}.healthyAfter`, healthyAfter, 0, longestDelay)
  checkInteger(`${name}.maxQueuedMessages`, maxQueuedMessages, 1)
  checkInteger(`${name}.maxQueuedBytes`, maxQueuedBytes, 1)
  checkSignal(`${name}.signal`, signal)
  return {
    connectTimeout,
    initialDelay,
    maxDelay,
    factor,
    jitter,
    maxRetries,
    healthyAfter,
    maxQueuedMessages,
    maxQueuedBytes,
    ...(signal === undefined ? {} : { signal }),
  }
}
