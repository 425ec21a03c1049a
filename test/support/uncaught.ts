/** Exceptions that a test wants to be uncaught. */
import { onTestFinished } from 'vitest'

/** Collects the exceptions that nobody catches during this test, instead of failing it. */
export function uncaughtExceptions(): unknown[] {
  const seen: unknown[] = []
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  const listener = (error: unknown) => seen.push(error)
  process.on('uncaughtException', listener)
  onTestFinished(() => {
    process.off('uncaughtException', listener)
    for (const other of others) process.on('uncaughtException', other)
  })
  return seen
}
