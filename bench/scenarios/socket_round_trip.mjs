// A message and its answer over a Unix socket, one at a time.
import { overUnixSocket } from './socket_participants.mjs'

export default {
  id: 'socket-round-trip',
  title: 'Unix socket, 64-byte round trip',
  unit: 'µs',
  value: ({ count, seconds }) => (seconds / count) * 1e6,
  participants: [
    overUnixSocket('sluice', 'round-trip', 64, 'connect'),
    overUnixSocket('net', 'round-trip', 64, 'connect'),
  ],
  rows: [
    {
      id: 'socket-round-trip',
      title: 'Unix socket, round trip',
      figure: 'sluice',
      targets: { net: { atMost: 1 } },
    },
  ],
}
