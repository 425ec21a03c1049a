// How a benchmark's child talks with its parent: it says "ready", waits for a line, and answers
// with one line of JSON. native/protocol.hpp is the same in C++.
import { readSync, writeSync } from 'node:fs'

const longestMs = 60_000
const begun = performance.now()

// A parent that was killed cannot end its children.
setTimeout(() => process.exit(1), longestMs).unref()

/** Blocks until the parent says go. */
export function waitForStart() {
  writeSync(1, 'ready\n')
  if (readSync(0, Buffer.alloc(1)) === 0) process.exit(1)
}

/** Answers, and waits to be ended: a peer must not see this process go before it goes itself. */
function report(result) {
  writeSync(1, `${JSON.stringify(result)}\n`)
  readSync(0, Buffer.alloc(1))
  process.exit()
}

/** The same for loops that never return to the event loop. */
export function endWhenForgotten() {
  if (performance.now() - begun > longestMs) process.exit(1)
}

/** Counts events in a window of time that opens after the warm-up. */
export class Meter {
  #measureMs
  #begin
  #open = false
  #first = 0

  constructor({ warmUpMs, measureMs }) {
    this.#measureMs = measureMs
    this.#begin = performance.now() + warmUpMs
  }

  /** To be called now and then; does not return when the window closes. `count`: events so far. */
  at(count, more = () => ({})) {
    const now = performance.now()
    if (!this.#open) {
      if (now < this.#begin) return
      this.#open = true
      this.#begin = now
      this.#first = count
    }
    if (now - this.#begin < this.#measureMs) return
    const seconds = (now - this.#begin) / 1000
    report({ count: count - this.#first, seconds, ...more() })
  }

  get open() {
    return this.#open
  }
}
