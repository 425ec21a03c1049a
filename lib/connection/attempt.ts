/** One attempt to make a connection, by a function of the user's. */
import { checkShape, type Shape } from '../core/arguments.js'
import { Operation } from '../core/operation.js'

/** Makes one connection; the signal aborts when it is no longer wanted. */
export type Connect<C> = (options: { signal: AbortSignal }) => Promise<C>

/** Milliseconds. */
export const defaultConnectTimeout = 30_000

interface Attempt {
  readonly stop: AbortSignal
  /** Milliseconds. */
  readonly timeout: number
  /** The members that a connection has to have. */
  readonly shape: Shape<never>
}

/**
 * Calls `connect` once. It is over after `timeout`, or when `stop` aborts, whatever the function does: a
 * connection that it brings later is closed, and what is no connection is an error.
 */
export function attempt<C extends { close(): void }>(
  connect: Connect<C>,
  { stop, timeout, shape }: Attempt,
): Promise<C> {
  const wanted = new AbortController()
  const operation = new Operation<C>('connecting', { signal: stop, timeout }, (one, reason) => {
    one.reject(reason)
    wanted.abort(reason)
  })
  call(connect, wanted.signal, shape).then(
    (connection) => {
      if (operation.settled) connection.close()
      else operation.resolve(connection)
    },
    (error: unknown) => {
      operation.reject(error)
    },
  )
  return operation.promise
}

/** It may throw, or return what is no promise. */
async function call<C extends object>(
  connect: Connect<C>,
  signal: AbortSignal,
  shape: Shape<never>,
): Promise<C> {
  const connection = await connect({ signal })
  checkShape('the connection', connection, shape as Shape<C>)
  return connection
}
