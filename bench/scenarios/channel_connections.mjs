// Channels and other connections, each closed as soon as it is there, one after the other.
import { over } from './connection_participants.mjs'

export default {
  id: 'set-up',
  title: 'connections one after the other',
  unit: 'connections/s',
  warmer: 4,
  value: ({ count, seconds }) => count / seconds,
  participants: ['channel', 'sluice', 'tcp', 'net', 'net-tcp'].map((library) =>
    over(library, 'connections', 0, 'connect'),
  ),
  rows: [
    { id: 'channel-connections', title: 'channel, connections', figure: 'channel', targets: {} },
  ],
}
