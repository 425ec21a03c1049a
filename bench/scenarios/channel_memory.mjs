// What an idle channel takes of the client's own memory while it is being read. Its rings are shared
// memory, of which no page is touched before it is written to.
import { over } from './connection_participants.mjs'

export default {
  id: 'channel-memory',
  title: 'memory of an idle channel',
  unit: 'bytes',
  value: ({ bytes }) => bytes,
  participants: ['channel', 'net'].map((library) => over(library, 'idle', 0, 'connect')),
  rows: [
    {
      id: 'channel-memory',
      title: 'channel, memory while idle',
      figure: 'channel',
      targets: {},
    },
  ],
}
