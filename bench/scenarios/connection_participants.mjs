// Two processes at the ends of a connection, whatever carries it.
import { overUnixSocket } from './socket_participants.mjs'

const labels = {
  net: 'net, Unix socket',
  'net-tcp': 'net, TCP',
  sluice: 'sluice, Unix socket',
  tcp: 'sluice, TCP',
  channel: 'sluice, channel',
  'channel-asleep': 'sluice, channel, spin: 0',
}

/** `library` and `mode` as in peers/socket.mjs. */
export function over(library, mode, length, measures) {
  return { ...overUnixSocket(library, mode, length, measures), label: labels[library] }
}
