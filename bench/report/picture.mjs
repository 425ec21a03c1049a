// The report as a picture: one panel per scenario, that is per question, with a scale of its own. Each
// round is a dot, their range a line, their median a large dot: there are no bars, whose length would
// say nothing on a logarithmic scale. The background is transparent and every colour stands on white
// and on black.
import vega from 'vega'
import vegaLite from 'vega-lite'

import { formatValue, short } from './numbers.mjs'

const ink = '#737c87'
const ours = '#2f9e6e'
const theirs = '#7a8fb8'
const rowHeight = 20
const width = 420

/** Resolves with SVG. */
export async function drawPicture(report) {
  const { spec } = vegaLite.compile(specification(report))
  const view = new vega.View(vega.parse(spec), { renderer: 'none' })
  try {
    return `${await view.toSVG()}\n`
  } finally {
    view.finalize()
  }
}

function specification(report) {
  return {
    background: 'transparent',
    title: {
      text: 'sluice and what else there is',
      subtitle: subtitle(report),
      anchor: 'start',
      color: ink,
      subtitleColor: ink,
      fontSize: 16,
      subtitlePadding: 6,
      offset: 18,
    },
    vconcat: report.scenarios.filter(hasRivals).map(panel),
    spacing: 28,
    config: {
      font: 'system-ui, sans-serif',
      view: { stroke: null },
      axis: {
        labelColor: ink,
        titleColor: ink,
        gridColor: ink,
        gridOpacity: 0.25,
        domain: false,
        ticks: false,
        labelLimit: 260,
        labelFontSize: 12,
      },
    },
  }
}

function panel({ title, unit, machine, participants }) {
  const measured = participants.filter(({ available }) => available)
  const isOurs = ({ id, label }) => label.startsWith('sluice') || id.startsWith('cpp-')
  const values = measured.map((participant) => ({
    label: participant.label,
    ...participant.value,
    text: formatValue(participant.value.median, unit),
    ours: isOurs(participant),
  }))
  const rounds = measured.flatMap((participant) =>
    participant.samples.map(({ value }) => ({
      label: participant.label,
      value,
      ours: isOurs(participant),
    })),
  )
  const better = unit.includes('/') ? 'more is better' : 'less is better'
  const state =
    machine?.value === undefined
      ? []
      : [
          `a bare cache line, there and back: ${short(machine.value.median)} ns ` +
            `(${short(machine.value.low)} - ${short(machine.value.high)})`,
        ]
  const y = { field: 'label', type: 'nominal', sort: null, axis: { title: null, labelLimit: 320 } }
  const x = (field) => ({
    field,
    type: 'quantitative',
    scale: { type: 'log', nice: false, padding: 12 },
    axis: { title: `${unit}, logarithmic`, format: '~s', tickCount: 6 },
  })
  const color = {
    field: 'ours',
    type: 'nominal',
    legend: null,
    scale: { domain: [true, false], range: [ours, theirs] },
  }
  return {
    title: {
      text: `${title} (${better})`,
      subtitle: state,
      anchor: 'start',
      color: ink,
      subtitleColor: ink,
      subtitleFontSize: 11,
      fontSize: 13,
    },
    width,
    height: values.length * rowHeight,
    layer: [
      {
        data: { values },
        mark: { type: 'rule', strokeWidth: 2, opacity: 0.5 },
        encoding: { x: x('low'), x2: { field: 'high' }, y, color },
      },
      {
        data: { values: rounds },
        mark: { type: 'point', filled: true, size: 16, opacity: 0.7 },
        encoding: { x: x('value'), y, color },
      },
      {
        data: { values },
        mark: { type: 'point', filled: true, size: 90, opacity: 1 },
        encoding: { x: x('median'), y, color },
      },
      {
        // Beside the panel: beside its dot it would lie on the dots of the rounds.
        data: { values },
        mark: { type: 'text', align: 'left', dx: 8, color: ink, fontSize: 11 },
        encoding: { x: { value: width }, y, text: { field: 'text' } },
      },
    ],
  }
}

// The liveness scenario has nobody to stand beside.
function hasRivals({ participants }) {
  return participants.filter(({ available }) => available).length > 1
}

function subtitle({ conditions, settings }) {
  return [
    `${conditions.cpu}, ${conditions.cores} cores, ${conditions.system}, Node ${conditions.node}, ` +
      conditions.date.slice(0, 10),
    conditions.pinning,
    `each small dot is one of ${settings.rounds} rounds of ${settings.measureMs} ms, the large one their median; rings of ` +
      `${settings.capacity / 2 ** 20} MiB`,
  ]
}
