// What an idle connection over a Unix socket takes of the client's memory: while it is being read,
// as most are, and before anybody reads it.
import { overUnixSocket } from './socket_participants.mjs'

export default {
  id: 'socket-memory',
  title: 'Unix socket, memory of an idle connection',
  unit: 'bytes',
  value: ({ bytes }) => bytes,
  participants: [
    overUnixSocket('sluice', 'idle', 0, 'connect'),
    overUnixSocket('net', 'idle', 0, 'connect'),
    unread('sluice'),
    unread('net'),
  ],
  rows: [
    {
      id: 'socket-memory',
      title: 'Unix socket, memory of an idle connection being read',
      figure: 'sluice',
      targets: { net: { atMost: 1 } },
      leaveOut: ['net-unread'],
    },
    {
      id: 'socket-memory-unread',
      title: 'Unix socket, memory of an idle connection, unread',
      figure: 'sluice-unread',
      targets: { 'net-unread': { atMost: 1 } },
      leaveOut: ['net'],
    },
  ],
}

function unread(library) {
  const participant = overUnixSocket(library, 'idle-unread', 0, 'connect')
  return { ...participant, id: `${library}-unread`, label: `${participant.label}, unread` }
}
