/**
 * How much is done without going back to the event loop. Promises that are resolved at once never
 * let it run: a loop of `await`s that always find something would keep timers, signals and other
 * connections waiting.
 */
const mostInOneTurn = 256

let left = mostInOneTurn
let nextTurn: Promise<void> | undefined

/** Whether one more thing may be done in this turn. */
export function mayGoOn(): boolean {
  if (left === 0) return false
  if (left-- === mostInOneTurn) {
    // Not a reason for the loop to hurry, or to stay: it only counts that it ran.
    setImmediate(() => {
      left = mostInOneTurn
    }).unref()
  }
  return true
}

/** Resolves when the loop has run. All who wait share one promise. */
export function untilNextTurn(): Promise<void> {
  return (nextTurn ??= new Promise((resolve) => {
    setImmediate(() => {
      nextTurn = undefined
      resolve()
    })
  }))
}

/** Does it at once while one more thing may be done in this turn, otherwise in the next. */
export function soon(work: () => void): void {
  if (mayGoOn()) work()
  else setImmediate(work)
}
