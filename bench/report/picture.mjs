// The report as a picture: one panel of bars per scenario, on a logarithmic scale. The background
// is transparent and every colour stands on white and on black.
import vega from 'vega'
import vegaLite from 'vega-lite'

import { formatValue } from './numbers.mjs'

const ink = '#808890'
const ours = '#2f9e6e'
const theirs = '#7a8fb8'
const barHeight = 20
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
    vconcat: report.scenarios.filter(hasBars).map(panel),
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

function panel(scenario) {
  const values = scenario.participants
    .filter(({ available }) => available)
    .map(({ label, value }) => ({
      label,
      value: value.median,
      text: formatValue(value.median, scenario.unit),
      sluice: label.startsWith('sluice'),
    }))
  // A bar on a logarithmic scale needs a beginning: the power of ten below the shortest.
  const smallest = Math.min(...values.map(({ value }) => value))
  const largest = Math.max(...values.map(({ value }) => value))
  const domain = [10 ** (Math.ceil(Math.log10(smallest)) - 1), largest]
  const better = scenario.unit.includes('/') ? 'more is better' : 'less is better'
  const y = { field: 'label', type: 'nominal', sort: null, axis: { title: null } }
  const x = {
    field: 'value',
    type: 'quantitative',
    scale: { type: 'log', domain, nice: false },
    axis: { title: `${scenario.unit}, logarithmic`, format: '~s', tickCount: 6 },
  }
  return {
    title: { text: `${scenario.title} (${better})`, anchor: 'start', color: ink, fontSize: 13 },
    width,
    height: values.length * barHeight,
    data: { values },
    layer: [
      {
        mark: { type: 'bar', height: barHeight - 6 },
        encoding: {
          x,
          x2: { datum: domain[0] },
          y,
          color: {
            field: 'sluice',
            type: 'nominal',
            legend: null,
            scale: { domain: [true, false], range: [ours, theirs] },
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, color: ink, fontSize: 11 },
        encoding: { x, y, text: { field: 'text' } },
      },
    ],
  }
}

// The liveness scenario has nobody to stand beside.
function hasBars({ participants }) {
  return participants.filter(({ available }) => available).length > 1
}

function subtitle({ conditions, settings }) {
  return [
    `${conditions.cpu}, ${conditions.cores} cores, ${conditions.system}, Node ${conditions.node}, ` +
      conditions.date.slice(0, 10),
    conditions.pinning,
    `medians of ${settings.rounds} rounds of ${settings.measureMs} ms; rings of ` +
      `${settings.capacity / 2 ** 20} MiB`,
  ]
}
