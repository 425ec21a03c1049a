/**
 * Calls what may run code of the user's. An error that it throws becomes 'uncaughtException' a little
 * later, and does not stop the caller in the middle of its work for others. False: it has thrown.
 */
export function callUserCode(call: () => void): boolean {
  try {
    call()
    return true
  } catch (error) {
    throwLater(error)
    return false
  }
}

/** The error becomes 'uncaughtException' when what runs now is done. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
