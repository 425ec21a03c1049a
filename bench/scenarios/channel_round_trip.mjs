// A message and its answer through a channel, one at a time: both ends look for a while before they sleep, as
// they do by default; or both sleep between messages.
import { over } from './connection_participants.mjs'

export default {
  id: 'channel-round-trip',
  title: 'channel, 64-byte round trip',
  unit: 'µs',
  value: ({ count, seconds }) => (seconds / count) * 1e6,
  participants: [
    over('channel', 'round-trip', 64, 'connect'),
    over('channel-asleep', 'round-trip', 64, 'connect'),
    over('net', 'round-trip', 64, 'connect'),
  ],
  rows: [
    {
      id: 'channel-round-trip',
      title: 'channel, round trip',
      figure: 'channel',
      targets: { net: { atMost: 0.1 } },
    },
    {
      id: 'channel-round-trip-asleep',
      title: 'channel, round trip, both ends asleep',
      figure: 'channel-asleep',
      targets: { net: { atMost: 1.2 } },
    },
  ],
}
