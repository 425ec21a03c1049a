// Chunks in one direction over a Unix socket: a scenario for each length.
import { overUnixSocket } from './socket_participants.mjs'

export function socketStream(length, title) {
  return {
    id: `socket-stream-${length}`,
    title: `Unix socket, chunks of ${title}`,
    unit: 'chunks/s',
    value: ({ count, seconds }) => count / seconds,
    participants: [
      overUnixSocket('sluice', 'stream', length),
      overUnixSocket('net', 'stream', length),
    ],
    rows: [
      {
        id: `socket-${length}`,
        title: `Unix socket, ${title} chunks`,
        figure: 'sluice',
        targets: { net: { atLeast: 1 } },
      },
    ],
  }
}
