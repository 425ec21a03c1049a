/**
 * How much is done without going back to the event loop. Promises that are resolved at once never
 * let it run: a loop of `await`s that always find something would keep timers, signals and other
 * connections waiting.
 */
const mostInOneTurn = 256

/** The clock is looked at each time that so many things are done: the caller's work with each takes time. */
const untilClock = 8
const longestTurnMs = 5

let left = mostInOneTurn
let began = 0
let nextTurn: Promise<void> | undefined

/** Whether one more thing may be done in this turn. */
export function mayGoOn(): boolean {
  if (left === 0) return false
  if (left === mostInOneTurn) {
    began = performance.now()
    // Not a reason for the loop to hurry, or to stay: it only counts that it ran.
    setImmediate(() => {
      left = mostInOneTurn
    }).unref()
  } else if (left % untilClock === 0 && performance.now() - began > longestTurnMs) {
    left = 0
    return false
  }
  left--
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

/**
 * Does it when the queues that the running call has filled are empty, of ticks and of promises; without a turn of the
 * loop while one more thing may be done in this turn. Returns a function that takes it back.
 */
export function whenDrained(work: () => void): () => void {
  let wanted = true
  const now = () => {
    if (wanted) work()
  }
  if (mayGoOn()) {
    // Microtasks come behind all ticks, and ticks of microtasks behind those.
    process.nextTick(() => {
      queueMicrotask(() => {
        process.nextTick(now)
      })
    })
  } else {
    setImmediate(now)
  }
  return () => {
    wanted = false
  }
}

const scheduled = new Set<() => void>()

/** Does it in the next turn, once, however often it is asked for: it serves all who wait by then. */
export function inNextTurn(work: () => void): void {
  if (scheduled.has(work)) return
  scheduled.add(work)
  setImmediate(() => {
    scheduled.delete(work)
    work()
  })
}

/** Does it at once while one more thing may be done in this turn, otherwise in the next. */
export function soon(work: () => void): void {
  if (mayGoOn()) work()
  else inNextTurn(work)
}
