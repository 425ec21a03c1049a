// Connections over a Unix socket, each closed as soon as it is there, one after the other.
import { overUnixSocket } from './socket_participants.mjs'

export default {
  id: 'socket-connections',
  title: 'Unix socket, connections one after the other',
  unit: 'connections/s',
  // All that makes and closes a connection is compiled by then: a few thousand were made.
  warmer: 4,
  value: ({ count, seconds }) => count / seconds,
  participants: [
    overUnixSocket('sluice', 'connections', 0, 'connect'),
    overUnixSocket('net', 'connections', 0, 'connect'),
  ],
  rows: [
    {
      id: 'socket-connections',
      title: 'Unix socket, connections',
      figure: 'sluice',
      targets: { net: { atLeast: 1 } },
    },
  ],
}
