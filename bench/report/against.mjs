// The comparison of two builds: as data, and as a table for the terminal.
import Table from 'cli-table3'

import { ratio, summary } from '../harness/statistics.mjs'
import { formatValue, short } from './numbers.mjs'

/** `sides`: for this build and the other the samples of each round, and a reason for none. */
export function rowAgainst({ scenario, row, sides: { ours, theirs } }) {
  return {
    id: row.id,
    title: row.title,
    unit: scenario.unit,
    ours: sideOf(ours),
    theirs: sideOf(theirs),
    ratio: ratio(ours.samples, theirs.samples),
  }
}

function sideOf({ samples, reason }) {
  return {
    samples,
    ...(samples.length === 0 ? {} : { value: summary(samples.map(({ value }) => value)) }),
    ...(reason === undefined ? {} : { reason }),
  }
}

export function formatAgainst({ against, settings, rows }) {
  const table = new Table({
    head: ['what', 'this', 'other', 'this / other (low - high)'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { title, unit, ours, theirs, ratio: spread } of rows) {
    const ends =
      spread === undefined
        ? ''
        : `${spread.median.toFixed(3)} (${short(spread.low)} - ${short(spread.high)})`
    table.push([title, cell(ours, unit), cell(theirs, unit), ends])
  }
  return [
    `against the build in ${against}`,
    `${settings.rounds} rounds of ${settings.measureMs} ms after ${settings.warmUpMs} ms, this and ` +
      'the other in turns; medians, and the ratios of the same round',
    table.toString(),
  ].join('\n')
}

function cell({ value, reason }, unit) {
  return value === undefined
    ? (reason ?? '').split('\n')[0].slice(0, 40)
    : formatValue(value.median, unit)
}
