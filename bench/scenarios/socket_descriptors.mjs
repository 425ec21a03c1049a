// Messages over a Unix socket that bring a descriptor each; net cannot, Python can.
import { overPython, overUnixSocket } from './socket_participants.mjs'

export default {
  id: 'socket-descriptors',
  title: 'Unix socket, 16-byte messages with one descriptor',
  unit: 'descriptors/s',
  value: ({ count, seconds }) => count / seconds,
  participants: [overUnixSocket('sluice', 'descriptors', 16), overPython(16)],
  rows: [
    {
      id: 'socket-descriptors',
      title: 'Unix socket, one descriptor a message',
      figure: 'sluice',
      targets: { python: { atLeast: 1 } },
    },
  ],
}
