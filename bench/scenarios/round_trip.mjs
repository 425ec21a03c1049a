// A message and its answer, one at a time.
import {
  childProcess,
  cppRoundTrip,
  machine,
  net,
  sluiceRoundTrip,
  workerThreads,
  zeromq,
} from './participants.mjs'

const length = 64

export default {
  id: 'round-trip',
  title: '64-byte round trip',
  unit: 'µs',
  value: ({ count, seconds }) => (seconds / count) * 1e6,
  machine,
  participants: [
    sluiceRoundTrip('sluice-polling', 'sluice, polling', 'polling', length),
    cppRoundTrip('cpp-polling', 'C++, polling', length),
    sluiceRoundTrip('sluice-consume', 'sluice, consume', 'consume', length),
    sluiceRoundTrip('sluice-consume-spin', 'sluice, consume, spin 1 ms', 'consume', length, 1000),
    sluiceRoundTrip('sluice-parked', 'sluice, consume, spin 0', 'consume', length, 0),
    net('round-trip', length),
    childProcess('round-trip', length),
    workerThreads('round-trip', length),
    zeromq('round-trip', length),
  ],
  rows: [
    {
      id: 'polling',
      title: 'round trip, both polling',
      figure: 'sluice-polling',
      targets: { 'cpp-polling': { atMost: 1.25 } },
    },
    {
      id: 'consume',
      title: 'round trip, consume (adaptive)',
      figure: 'sluice-consume',
      targets: { net: { atMost: 1 / 50 } },
    },
    {
      id: 'consume-spin',
      title: 'round trip, consume (spin 1 ms)',
      figure: 'sluice-consume-spin',
      targets: { net: { atMost: 1 / 20 } },
    },
    {
      id: 'parked',
      title: 'round trip, parked (spin 0)',
      figure: 'sluice-parked',
      targets: { net: { atMost: 0.9 } },
    },
  ],
}
