import { CommandFailure } from './failure.js'
import { abortAtSignals } from './interruption.js'
import { notesOf } from './notes.js'
import { look } from './stat/look.js'
import { namelessMount } from './stat/memory_objects.js'
import { reportOf, type Report } from './stat/report.js'
import { fitted, tablesOf } from './stat/tables.js'
import { clearTerminal, print, printed } from './stdout.js'
import { pause, unlessAborted } from './waiting.js'

export interface StatOptions {
  /** Milliseconds between two looks, over which the rates are. */
  interval: number
  watch?: boolean
  json?: boolean
  all?: boolean
}

const note = notesOf('stat', false)

/** `sluice stat`: what this user's processes have open, and how it goes. */
export async function stat({ interval, watch, json, all }: StatOptions): Promise<void> {
  if (process.platform !== 'linux') {
    throw new CommandFailure(
      `works on Linux alone: ${process.platform} does not tell what other processes have open; ` +
        '"sluice ls" shows the rings that have a name, where there is a list of them',
    )
  }
  const stop = new AbortController()
  abortAtSignals(stop)
  const { signal } = stop
  const scope = { nameless: namelessMount(), all: all === true }
  const show = json === true ? showJson : watch === true ? showAgain : showOnce
  let isTold = false
  let before = await look(scope, signal)
  do {
    await unlessAborted(pause(interval), signal)
    const now = await look(scope, signal)
    const report = reportOf(before, now)
    show(report)
    if (!report.complete && !isTold) {
      isTold = true
      note('there are more processes and descriptors than are looked at')
    }
    // A slow reader of the output gets the next report later, rather than a queue of them.
    await unlessAborted(printed(), signal)
    before = now
  } while (watch === true)
}

function showJson(report: Report): void {
  print(`${JSON.stringify(report)}\n`)
}

function showOnce(report: Report): void {
  const tables = tablesOf(report)
  if (tables === '') note(nothingIn(report))
  else print(`${tables}\n`)
}

function showAgain(report: Report): void {
  const tables = tablesOf(report)
  const text = `${report.time}\n${tables === '' ? nothingIn(report) : tables}`
  const { isTTY, rows } = process.stdout
  if (isTTY) {
    clearTerminal()
    // Some terminals do not tell their size.
    print(`${rows > 0 ? fitted(text, rows - 1) : text}\n`)
  } else {
    print(`${text}\n\n`)
  }
}

/** Some processes that nobody may look at belong to every session: not worth a word when there is more to say. */
function nothingIn({ unreadable }: Report): string {
  const nothing = 'there are no servers and no rings'
  return unreadable === 0
    ? nothing
    : `${nothing}; ${String(unreadable)} of this user's processes may not be looked at`
}
