/** The options of a pool, and its answers. */
import { checkFunction, checkInteger, invalidArgument, ownOptions } from '../core/arguments.js'
import { own } from '../core/own.js'
import { checkTimeout, longestDelay } from '../core/wait_options.js'
import { defaultConnectTimeout } from './attempt.js'
import type { Poolable } from './pooled_connection.js'

/** The options of a {@link ConnectionPool}. */
export interface PoolOptions<C extends Poolable> {
  /** Connections that are kept open although nobody needs them; default 0. */
  min?: number
  /** Connections there can be at once; default 10. */
  max?: number
  /** Milliseconds that making one connection may take; default 30 s. */
  connectTimeout?: number
  /** Milliseconds after which a connection that nobody needs is closed; default 30 s, 0: never. */
  idleTimeout?: number
  /** Milliseconds for an `acquire` that has no `timeout` of its own; by default there is no limit. */
  acquireTimeout?: number
  /**
   * Asked before a connection is handed out. One for which the answer is not `true`, or for which the
   * function throws, is closed, and another one taken. By default only closed ones are passed over.
   */
  validate?: (connection: C) => boolean | Promise<boolean>
}

const poolOptionNames = [
  'min',
  'max',
  'connectTimeout',
  'idleTimeout',
  'acquireTimeout',
  'validate',
] as const

/** Counts of a {@link ConnectionPool}: `open` is `idle + inUse + validating`, and `created - closed`. */
export interface PoolStats {
  /** Open connections. */
  open: number
  /** Open connections that nobody has. */
  idle: number
  /** Open connections that were handed out. */
  inUse: number
  /** Open connections about which `validate` is being asked. */
  validating: number
  /** Connections that are being made. */
  creating: number
  /** Calls of `acquire` that wait for a connection. */
  waiting: number
  /** Connections made since the pool began. */
  created: number
  /** Connections closed since the pool began, by whomever. */
  closed: number
  /** Attempts to make a connection that have failed. */
  failed: number
}

const defaultMax = 10
const defaultIdleTimeout = 30_000
type CheckedPoolOptions<C extends Poolable> = Required<
  Pick<PoolOptions<C>, 'min' | 'max' | 'connectTimeout' | 'idleTimeout'>
> &
  Pick<PoolOptions<C>, 'acquireTimeout' | 'validate'>

/** @throws `ERR_SLUICE_INVALID_ARGUMENT` */
export function checkedPoolOptions<C extends Poolable>(
  given: PoolOptions<C>,
): CheckedPoolOptions<C> {
  const options = ownOptions(given, poolOptionNames)
  const {
    min = 0,
    max = defaultMax,
    connectTimeout = defaultConnectTimeout,
    idleTimeout = defaultIdleTimeout,
  } = options
  checkInteger('options.max', max, 1)
  checkInteger('options.min', min, 0)
  if (min > max) {
    throw invalidArgument('options.min', `no more than options.max, ${String(max)}`, min)
  }
  checkInteger('options.connectTimeout', connectTimeout, 1, longestDelay)
  checkInteger('options.idleTimeout', idleTimeout, 0, longestDelay)
  checkTimeout('options.acquireTimeout', options.acquireTimeout)
  if (options.validate !== undefined) checkFunction('options.validate', options.validate)
  // Spread into a literal they would inherit again.
  return own({ ...options, min, max, connectTimeout, idleTimeout })
}
