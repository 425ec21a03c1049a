// What an idle connection over a Unix socket takes of the client's memory.
import { overUnixSocket } from './socket_participants.mjs'

export default {
  id: 'socket-memory',
  title: 'Unix socket, memory of an idle connection',
  unit: 'bytes',
  value: ({ bytes }) => bytes,
  participants: [
    overUnixSocket('sluice', 'idle', 0, 'connect'),
    overUnixSocket('net', 'idle', 0, 'connect'),
  ],
  rows: [
    {
      id: 'socket-memory',
      title: 'Unix socket, memory of an idle connection',
      figure: 'sluice',
      targets: { net: { atMost: 1 } },
    },
  ],
}
