/** One attempt to make a connection, by a function of the user's. */
import { Operation } from '../core/operation.js'

/** Makes one connection; the signal aborts when it is no longer wanted. */
export type Connect<C> = (options: { signal: AbortSignal }) => Promise<C>

/** Milliseconds. */
export const defaultConnectTimeout = 30_000

/**
 * Calls `connect` once. It is over after `timeout` milliseconds, or when `stop` aborts, whatever the
 * function does: a connection that it brings later is closed.
 */
export function attempt<C extends { close(): void }>(
  connect: Connect<C>,
  stop: AbortSignal,
  timeout: number,
): Promise<C> {
  const wanted = new AbortController()
  const operation = new Operation<C>('connecting', { signal: stop, timeout }, (one, reason) => {
    one.reject(reason)
    wanted.abort(reason)
  })
  call(connect, wanted.signal).then(
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
async function call<C>(connect: Connect<C>, signal: AbortSignal): Promise<C> {
  return connect({ signal })
}
