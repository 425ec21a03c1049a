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
const nothing = 'there are no servers and no rings'

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
  const tellLimits = limitsTeller()
  let before = await look(scope, signal)
  do {
    await unlessAborted(pause(interval), signal)
    const now = await look(scope, signal)
    const report = reportOf(before, now)
    show(report)
    tellLimits(report)
    // Whoever reads slowly gets the next one later, rather than a queue of them.
    await unlessAborted(printed(), signal)
    before = now
  } while (watch === true)
}

function showJson(report: Report): void {
  print(`${JSON.stringify(report)}\n`)
}

function showOnce(report: Report): void {
  const tables = tablesOf(report)
  if (tables === '') note(nothing)
  else print(`${tables}\n`)
}

function showAgain(report: Report): void {
  const tables = tablesOf(report)
  const text = `${report.time}\n${tables === '' ? nothing : tables}`
  const { isTTY, rows } = process.stdout
  if (isTTY) {
    clearTerminal()
    // Some terminals do not tell their size.
    print(`${rows > 0 ? fitted(text, rows - 1) : text}\n`)
  } else {
    print(`${text}\n\n`)
  }
}

/** Says what is missing, once and whenever it changes. */
function limitsTeller(): (report: Report) => void {
  let told = 0
  let toldAll = true
  return ({ unreadable, complete }) => {
    if (unreadable > 0 && unreadable !== told) {
      note(`${String(unreadable)} of this user's processes may not be looked at`)
    }
    if (!complete && toldAll) note('there are more processes and descriptors than are looked at')
    told = unreadable
    toldAll = complete
  }
}
