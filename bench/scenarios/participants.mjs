// What is measured in several scenarios: each function gives a participant, that is an id, a label
// and `run(window)`, which measures once and resolves with `{ count, seconds }`.
import { fileURLToPath } from 'node:url'

import { measure } from '../harness/children.mjs'
import { createRing, dropRing, memoryName, socketPath } from '../harness/cleanup.mjs'
import { nativeProgram } from '../harness/native_programs.mjs'
import { pinned } from '../harness/pinning.mjs'

export const capacity = 2 ** 20

const first = 0 // the processor of the producer, or who asks
const second = 1 // of the consumer, or who answers

/** A participant of two processes at the ends of a ring; `mode` as in peers/sluice_stream.mjs. */
export function sluiceStream(id, label, mode, length, bytes) {
  const command = (role, ring, window) =>
    peer('sluice_stream', { mode, role, ring, length, ...window })
  return ringPair(id, label, command, bytes)
}

/** `mode` as in native/ring_peer.cc. */
export function cppStream(id, label, mode, length, bytes) {
  const command = (role, ring, window) => ringPeer(mode, role, ring, length, window)
  return ringPair(id, label, command, bytes)
}

/** boost's queue between two processes; `mode` as in native/boost_peer.cc. */
export function boost(mode) {
  return {
    id: mode === 'eager' ? 'boost' : `boost-${mode}`,
    label: mode === 'eager' ? 'boost spsc_queue, C++' : `boost spsc_queue, C++, ${mode}`,
    run: ({ warmUpMs, measureMs }) => {
      const name = memoryName()
      const command = (role) =>
        [nativeProgram('boost_peer'), mode, role, name, warmUpMs, measureMs].map(String)
      return measure([
        { command: command('consumer'), core: second, measures: true },
        { command: command('producer'), core: first },
      ])
    },
  }
}

/** The state of the machine: the round trip of a bare cache line, in nanoseconds. */
export const machine = {
  id: 'machine',
  label: 'a bare cache line, there and back',
  value: ({ count, seconds }) => (seconds / count) * 1e9,
  run: ({ warmUpMs, measureMs }) => {
    const window = [Math.min(warmUpMs, 20), Math.min(measureMs, 100)].map(String)
    const command = [nativeProgram('cache_line'), ...window]
    return measure([{ command, core: `${first},${second}`, measures: true }])
  },
}

export function ringPair(id, label, command, bytes = capacity) {
  return {
    id,
    label,
    run: (window) =>
      withRings(1, bytes, ([ring]) =>
        measure([
          { command: command('consumer', ring, window), core: second, measures: true },
          { command: command('producer', ring, window), core: first },
        ]),
      ),
  }
}

export function sluiceRoundTrip(id, label, mode, length, spin) {
  return roundTrip(id, label, (role, rings, window) =>
    peer('sluice_round_trip', { mode, role, rings, length, spin, ...window }),
  )
}

export function cppRoundTrip(id, label, length) {
  return roundTrip(id, label, (role, rings, window) =>
    ringPeer('ping-pong', role === 'ask' ? 'producer' : 'consumer', rings.join(), length, window),
  )
}

export function net(mode, length) {
  const id = mode === 'corked' ? 'net-corked' : 'net'
  const label = mode === 'corked' ? 'net, corked' : 'net'
  return { id, label, run: (window) => overSocket('net', mode, length, window) }
}

export function zeromq(mode, length) {
  const label = mode === 'stream' ? 'zeromq push/pull' : 'zeromq req/rep'
  return { id: 'zeromq', label, run: (window) => overSocket('zeromq', mode, length, window) }
}

export function childProcess(mode, length) {
  const childCommand = pinned([process.execPath], mode === 'stream' ? first : second)
  const core = mode === 'stream' ? second : first
  return {
    id: 'child_process',
    label: 'child_process IPC',
    run: (window) => {
      const command = peer('child_process', { mode, length, childCommand, ...window })
      return measure([{ command, core, measures: true }])
    },
  }
}

export function workerThreads(mode, length) {
  return {
    id: 'worker_threads',
    label: 'postMessage to a worker',
    run: (window) => {
      const command = peer('worker_threads', { mode, length, ...window })
      return measure([{ command, core: `${first},${second}`, measures: true }])
    },
  }
}

/** `mode` as in native/memcpy.cc. */
export function memcpy(id, label, mode, length, bytes = capacity) {
  return {
    id,
    label,
    run: ({ warmUpMs, measureMs }) => {
      const command = [nativeProgram('memcpy'), mode, bytes, length, warmUpMs, measureMs]
      const core = mode === 'two-cores' ? `${first},${second}` : first
      return measure([{ command: command.map(String), core, measures: true }])
    },
  }
}

export function peer(name, settings) {
  const program = fileURLToPath(new URL(`../peers/${name}.mjs`, import.meta.url))
  return [process.execPath, program, JSON.stringify(settings)]
}

function ringPeer(mode, role, rings, length, { warmUpMs, measureMs }) {
  const command = [nativeProgram('ring_peer'), mode, role, rings, length, warmUpMs, measureMs]
  return command.map(String)
}

function roundTrip(id, label, command) {
  return {
    id,
    label,
    run: (window) =>
      withRings(2, capacity, (rings) =>
        measure([
          { command: command('answer', rings, window), core: second },
          { command: command('ask', rings, window), core: first, measures: true },
        ]),
      ),
  }
}

function overSocket(name, mode, length, window) {
  const path = socketPath()
  const asks = mode === 'round-trip'
  return measure([
    {
      command: peer(name, { mode, role: 'listen', path, length, ...window }),
      core: second,
      listens: true,
      measures: !asks,
    },
    {
      command: peer(name, { mode, role: 'connect', path, length, ...window }),
      core: first,
      measures: asks,
    },
  ])
}

async function withRings(count, bytes, use) {
  const rings = Array.from({ length: count }, () => createRing(bytes))
  try {
    return await use(rings.map((ring) => ring.name))
  } finally {
    for (const ring of rings) dropRing(ring)
  }
}
