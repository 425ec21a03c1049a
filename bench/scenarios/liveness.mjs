// A timer of 10 ms in a process that consumes from a producer at full speed.
import { quantile } from '../harness/statistics.mjs'
import { peer, ringPair } from './participants.mjs'

const length = 64

const participant = ringPair('sluice-consume', 'sluice, consume', (role, ring, window) =>
  peer('sluice_liveness', { role, ring, length, ...window }),
)

export default {
  id: 'liveness',
  title: 'Lateness of a 10-ms timer beside a full ring',
  unit: 'ms late',
  // p99 needs a hundred ticks and more.
  longer: 4,
  value: ({ lateness }) => quantile(sorted(lateness), 0.99),
  details: ({ lateness }) => ({
    ticks: lateness.length,
    p50: quantile(sorted(lateness), 0.5),
    p99: quantile(sorted(lateness), 0.99),
    max: Math.max(...lateness),
  }),
  participants: [participant],
  rows: [
    {
      id: 'timer',
      title: '10 ms timer, p99 lateness',
      figure: 'sluice-consume',
      targets: {},
      limit: { below: 30 },
    },
  ],
}

function sorted(values) {
  return [...values].sort((a, b) => a - b)
}
