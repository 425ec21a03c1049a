// Small messages through a channel, many at a time: its rings themselves, and framed; beside writes of
// the same length over net.
import { over } from './connection_participants.mjs'

export default {
  id: 'channel-messages',
  title: '64-byte messages, 64 at a time',
  unit: 'messages/s',
  value: ({ count, seconds }) => count / seconds,
  participants: [
    as('records', 'sluice, channel, its rings', over('channel', 'records', 64)),
    as('framed-channel', 'sluice, channel, framed', over('channel', 'framed', 64)),
    as('framed-unix', 'sluice, Unix socket, framed', over('sluice', 'framed', 64)),
    as('framed-tcp', 'sluice, TCP, framed', over('tcp', 'framed', 64)),
    over('net', 'stream', 64),
  ],
  rows: [
    row('records', 'channel, messages in its rings', 30),
    row('framed-channel', 'channel, framed messages', 30),
    row('framed-unix', 'Unix socket, framed messages'),
    row('framed-tcp', 'TCP, framed messages'),
  ],
}

function as(id, label, participant) {
  return { ...participant, id, label }
}

function row(figure, title, atLeast) {
  return {
    id: `messages-${figure}`,
    title,
    figure,
    targets: atLeast === undefined ? {} : { net: { atLeast } },
  }
}
