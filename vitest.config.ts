import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'

import { ShortFirst } from './test/support/sequencer.js'

// What must hold wherever messages are copied in native code, and wherever the kernel lets a thread
// wait for one doorbell only: the same files run once more for each.
const copying = [
  'test/ring/model.test.ts',
  'test/ring/queue.test.ts',
  'test/ring/read_write.test.ts',
  'test/ring/drain.test.ts',
  'test/ring/consume.test.ts',
  'test/ring/streams.test.ts',
  'test/ring/two_processes.test.ts',
  'test/ring/hostile.test.ts',
  'test/ring/closing.test.ts',
  'test/channel/bells.test.ts',
  'test/channel/transport_channel.test.ts',
  'test/connection/framed_channel.test.ts',
]
const oneDoorbell = [
  'test/ring/read_write.test.ts',
  'test/ring/consume.test.ts',
  'test/ring/closing.test.ts',
  'test/ring/many_endpoints.test.ts',
]
// What must hold also where a thread watches descriptors instead of the loop.
const watchingThread = [
  'test/socket/transport_*.test.ts',
  'test/socket/robustness.test.ts',
  'test/socket/descriptors.test.ts',
  'test/socket/server.test.ts',
  'test/socket/cancellation.test.ts',
  'test/socket/datagram.test.ts',
  'test/socket/seqpacket.test.ts',
  'test/socket/workers.test.ts',
  'test/socket/node_cases/*.test.ts',
  'test/channel/bells.test.ts',
]

// Named pipes are of Windows: elsewhere these files would only be started to skip all that they have.
// And the checks of the sources are no more true there than here, where the sources are; README's programs
// and HTTP over Unix sockets are of Unix.
const notHere =
  process.platform === 'win32'
    ? [
        'test/core/includes.test.ts',
        'test/core/layers.test.ts',
        'test/ring/layout.test.ts',
        'test/examples/readme.test.ts',
        'test/examples/http_frameworks.test.ts',
      ]
    : ['test/pipe/!(wrong_input).test.ts']

// Files that are not run again as another user, because they ask nothing of the user: the benchmark, and the suite
// of transports over each of them.
const asAnotherUser =
  process.env['SLUICE_AS_ANOTHER_USER'] === '1'
    ? [
        'test/bench/**',
        'test/channel/transport_*.test.ts',
        'test/connection/by_*.test.ts',
        'test/examples/connections.test.ts',
        'test/ring/litmus.test.ts',
        'test/ring/store_by_store.test.ts',
        'test/socket/transport_*.test.ts',
        'test/transport/*.test.ts',
      ]
    : []

const form = process.env['SLUICE_STRESS'] ?? 'short'
const common = {
  pool: 'forks' as const,
  isolate: true,
  execArgv: ['--expose-gc'],
  setupFiles: ['test/support/setup.ts'],
  // Generous: the bound is there for what hangs, not for what is slow on a loaded machine.
  testTimeout: form === 'long' ? 3_600_000 : 60_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 50_000 } },
}

const direct = {
  test: {
    ...common,
    name: 'direct',
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...notHere, ...asAnotherUser],
  },
}

// The short form runs each test once.
const otherSurroundings = [
  {
    test: {
      ...common,
      name: 'copying',
      include: copying,
      env: { SLUICE_NO_EXTERNAL_BUFFERS: '1' },
    },
  },
  {
    test: {
      ...common,
      name: 'one-doorbell',
      include: oneDoorbell,
      env: { SLUICE_NO_FUTEX_WAITV: '1' },
    },
  },
  {
    test: {
      ...common,
      name: 'watching-thread',
      include: watchingThread,
      env: { SLUICE_WATCH_IN_THREAD: '1' },
    },
  },
]

export default defineConfig({
  test: {
    globalSetup: ['test/support/global_setup.ts'],
    // Files do not disturb each other: each has its process and its names.
    maxWorkers: availableParallelism(),
    sequence: { sequencer: ShortFirst },
    reporters: ['default', './test/support/skip_reporter.ts'],
    projects: form === 'short' ? [direct] : [direct, ...otherSurroundings],
  },
})
