// All mechanisms between two processes on one machine, with the same messages, one a write: which to take.
import { spawnSync } from 'node:child_process'

import { measure } from '../harness/children.mjs'
import { socketPath } from '../harness/cleanup.mjs'
import { pinned } from '../harness/pinning.mjs'
import { over } from './connection_participants.mjs'
import { capacity, peer, sluiceStream } from './participants.mjs'

const kib = 1024

export const mechanisms = [
  scenario('1 B', 1),
  scenario('64 B', 64),
  scenario('1 KiB', kib),
  scenario('64 KiB', 64 * kib),
  scenario('1 MiB', kib * kib),
]

// A scenario a member, for those who look for them one by one.
export const [oneByte, bytes64, oneKib, sixtyFourKib, oneMib] = mechanisms

function scenario(title, length) {
  return {
    id: `mechanisms-${length}`,
    title: `${title} a write, one direction`,
    unit: 'messages/s',
    value: ({ count, seconds }) => count / seconds,
    participants: [
      // A message is half a ring at most, less two headers.
      sluiceStream('ring', 'ring', 'copy', length, Math.max(capacity, 4 * length)),
      over('channel', 'stream', length),
      over('sluice', 'stream', length),
      over('net', 'stream', length),
      over('net-tcp', 'stream', length),
      fifo(length),
      anonymousPipe(length),
    ],
    rows: [{ id: `mechanisms-${length}`, title, figure: 'ring', targets: {} }],
  }
}

function fifo(length) {
  return {
    id: 'fifo',
    label: 'FIFO',
    run: (window) => {
      const path = socketPath()
      spawnSync('mkfifo', [path])
      const command = (role) => peer('pipe', { role, path, length, ...window })
      return measure([
        { command: command('read'), core: 1, measures: true },
        { command: command('write'), core: 0 },
      ])
    },
  }
}

/** Node has no call for one, but the shell has. */
function anonymousPipe(length) {
  return {
    id: 'pipe',
    label: 'anonymous pipe',
    run: (window) => {
      const command = (role) => peer('pipe', { role, length, ...window })
      const writer = pinned(command('write'), 0).map(quoted).join(' ')
      const reader = command('read').map(quoted).join(' ')
      const script = `exec ${reader} 3< <(exec ${writer} </dev/null)`
      return measure([{ command: ['bash', '-c', script], core: 1, measures: true }])
    },
  }
}

function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`
}
