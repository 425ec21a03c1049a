// Chunks in one direction through a channel, written and read as a plain stream.
import { over } from './connection_participants.mjs'

export const channelStream64 = stream(64, '64 B', { atLeast: 3 })
export const channelStream64Kib = stream(65536, '64 KiB', { atLeast: 3 })
export const channelStream1Mib = stream(2 ** 20, '1 MiB', { atLeast: 3 })

function stream(length, title, target) {
  return {
    id: `channel-stream-${length}`,
    title: `channel, chunks of ${title}`,
    unit: 'chunks/s',
    value: ({ count, seconds }) => count / seconds,
    participants: [over('channel', 'stream', length), over('net', 'stream', length)],
    rows: [
      {
        id: `channel-${length}`,
        title: `channel, ${title} chunks`,
        figure: 'channel',
        targets: { net: target },
      },
    ],
  }
}
