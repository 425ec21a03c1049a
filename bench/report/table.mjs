// The report as a table for the terminal.
import Table from 'cli-table3'

import { formatValue, short } from './numbers.mjs'

export function formatTable(report) {
  const table = new Table({
    head: [
      'what',
      'ours (worst)',
      'against',
      'theirs',
      'ratio (low - high)',
      'to reach',
      'reached',
    ],
    colAligns: ['left', 'right', 'left', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  })
  for (const row of report.rows) table.push(lineOf(row))
  return [
    ...about(report),
    ...report.scenarios.flatMap(machineLine),
    table.toString(),
    summaryLine(report.rows),
  ].join('\n')
}

function lineOf(row) {
  const ours = row.value === undefined ? 'failed' : formatOurs(row.value, row.unit)
  if (row.limit !== undefined) {
    const { below, met } = row.limit
    return [row.title, ours, '', '', spreadOfDetails(row.details), `< ${below}`, yesOrNo(met)]
  }
  const columns = row.comparisons.map((comparison) => cellsOf(comparison, row.unit))
  const column = (i) => columns.map((cells) => cells[i]).join('\n')
  return [row.title, ours, ...[0, 1, 2, 3, 4].map(column)]
}

function cellsOf({ label, value, ratio, reason, target, met }, unit) {
  const wanted = target === undefined ? '' : formatTarget(target)
  if (value === undefined) return [label, 'not available', firstLine(reason), wanted, '']
  return [label, formatValue(value.median, unit), formatRatio(ratio), wanted, yesOrNo(met)]
}

function formatOurs({ median, low, high }, unit) {
  const worst = unit.includes('/') ? low : high
  return `${formatValue(median, unit)} (${short(unit === 'messages/s' ? worst / 1e6 : worst)})`
}

function firstLine(text = '') {
  return text.split('\n')[0].slice(0, 40)
}

function formatRatio(ratio) {
  if (ratio === undefined) return ''
  return `${short(ratio.median)} (${short(ratio.low)} - ${short(ratio.high)})`
}

function formatTarget({ atLeast, atMost, worst }) {
  const wanted = atLeast === undefined ? `<= ${short(atMost)}` : `>= ${short(atLeast)}`
  return worst === undefined ? wanted : `${wanted}, worst ${short(worst)}`
}

function spreadOfDetails(details) {
  const p50 = Math.max(...details.map((detail) => detail.p50))
  const max = Math.max(...details.map((detail) => detail.max))
  return `p50 ${short(Math.max(p50, 0))} ms, max ${short(max)} ms`
}

function yesOrNo(met) {
  if (met === undefined) return ''
  return met ? 'yes' : 'NO'
}

function about({ conditions, settings }) {
  return [
    `${conditions.cpu}, ${conditions.cores} cores, ${conditions.system}, Node ${conditions.node}`,
    `governor: ${conditions.governor}; load before: ${conditions.loadAverage
      .map((load) => load.toFixed(2))
      .join(' ')}`,
    `${conditions.pinning}`,
    `${conditions.polling}`,
    `${settings.rounds} rounds of ${settings.measureMs} ms after ${settings.warmUpMs} ms; rings of ` +
      `${settings.capacity / 2 ** 20} MiB; medians, and the ratios of the same round`,
  ]
}

/** The same ring is several times slower where a cache line takes longer. */
function machineLine({ title, machine }) {
  if (machine?.value === undefined) return []
  const { low, median, high } = machine.value
  return [
    `${title}: a bare cache line took ${short(median)} ns there and back (${short(low)} - ${short(high)})`,
  ]
}

function summaryLine(rows) {
  const verdicts = rows
    .flatMap(({ comparisons, limit }) => [limit, ...comparisons])
    .map((verdict) => verdict?.met)
    .filter((met) => met !== undefined)
  return `${verdicts.filter(Boolean).length} of ${verdicts.length} targets reached`
}
