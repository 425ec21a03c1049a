// The report: what was measured, and what it says about the targets.
import { ratio, summary } from '../harness/statistics.mjs'

export function toReport({ conditions, settings, results }) {
  return {
    version: 1,
    conditions,
    settings,
    scenarios: results.map(({ scenario, machine, participants }) => ({
      id: scenario.id,
      title: scenario.title,
      unit: scenario.unit,
      ...(machine === undefined ? {} : { machine: machineOf(machine) }),
      participants: participants.map(({ id, label, samples, reason }) => ({
        id,
        label,
        available: samples.length > 0,
        ...(reason === undefined ? {} : { reason }),
        ...(samples.length === 0 ? {} : { value: summaryOf(samples) }),
        samples,
      })),
    })),
    rows: results.flatMap(({ scenario, participants }) =>
      scenario.rows.map((row) => toRow(row, scenario, participants)),
    ),
  }
}

function toRow(row, scenario, participants) {
  const ours = participants.find(({ id }) => id === row.figure)
  const figures = scenario.rows.map(({ figure }) => figure)
  const others = participants.filter(
    ({ id }) =>
      id !== row.figure &&
      (!figures.includes(id) || id in row.targets) &&
      !row.leaveOut?.includes(id),
  )
  const value = ours.samples.length > 0 ? summaryOf(ours.samples) : undefined
  return {
    id: row.id,
    scenario: scenario.id,
    title: row.title,
    unit: scenario.unit,
    figure: row.figure,
    label: ours.label,
    value,
    ...(ours.reason === undefined ? {} : { reason: ours.reason }),
    ...(scenario.details === undefined ? {} : { details: ours.samples.map(scenario.details) }),
    ...(row.limit === undefined || value === undefined
      ? {}
      : { limit: { ...row.limit, met: value.median < row.limit.below } }),
    comparisons: others.map((theirs) => compare(ours, theirs, row.targets[theirs.id])),
  }
}

function compare(ours, theirs, target) {
  const { id, label, reason } = theirs
  const value = ratio(ours.samples, theirs.samples)
  return {
    against: id,
    label,
    ...(reason === undefined ? {} : { reason }),
    ...(theirs.samples.length === 0 ? {} : { value: summaryOf(theirs.samples) }),
    ...(value === undefined ? {} : { ratio: value }),
    ...(target === undefined ? {} : { target }),
    ...(target === undefined || value === undefined ? {} : { met: isMet(target, value) }),
  }
}

/** `worst`: what also the worst round has to reach. */
function isMet({ atLeast, atMost, worst }, { median, low, high }) {
  if (atLeast === undefined) return median <= atMost && (worst === undefined || high <= worst)
  return median >= atLeast && (worst === undefined || low >= worst)
}

/** How fast the machine was while the scenario ran: nanoseconds, in each round. */
function machineOf({ label, samples, reason }) {
  return {
    label,
    unit: 'ns',
    ...(reason === undefined ? {} : { reason }),
    ...(samples.length === 0 ? {} : { value: summaryOf(samples) }),
    samples,
  }
}

function summaryOf(samples) {
  return summary(samples.map(({ value }) => value))
}
