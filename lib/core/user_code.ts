/**
 * Calls what may run code of the user's. What that throws becomes 'uncaughtException' a little later,
 * and does not stop the caller in the middle of what it does for others. False: it has thrown.
 */
export function callUserCode(call: () => void): boolean {
  try {
    call()
    return true
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
    return false
  }
}
