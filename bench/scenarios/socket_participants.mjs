// Two processes at the ends of a Unix socket.
import { fileURLToPath } from 'node:url'

import { measure } from '../harness/children.mjs'
import { socketPath } from '../harness/cleanup.mjs'
import { peer } from './participants.mjs'

const labels = { sluice: 'sluice, UnixConnection', net: 'net' }

/** `mode` as in peers/socket.mjs; `measures`: the end that counts. */
export function overUnixSocket(library, mode, length, measures = 'listen') {
  return {
    id: library,
    label: labels[library],
    run: (window) =>
      runBoth(measures, (role, path) => {
        const [node, ...rest] = peer('socket', { library, mode, role, path, length, ...window })
        return [node, '--expose-gc', ...rest]
      }),
  }
}

export function overPython(length) {
  const program = fileURLToPath(new URL('../peers/descriptors.py', import.meta.url))
  return {
    id: 'python',
    label: 'Python, send_fds',
    run: (window) =>
      runBoth('listen', (role, path) => [
        'python3',
        program,
        JSON.stringify({ role, path, length, ...window }),
      ]),
  }
}

function runBoth(measures, command) {
  const path = socketPath()
  return measure([
    {
      command: command('listen', path),
      core: 1,
      listens: true,
      measures: measures === 'listen',
    },
    { command: command('connect', path), core: 0, measures: measures === 'connect' },
  ])
}
