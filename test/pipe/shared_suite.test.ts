import { describe } from 'vitest'

import { onWindows } from '../support/platform.js'
import { pipeTransport } from '../support/pipe_transports.js'
import { stress } from '../support/stress.js'
import { transportSuite } from '../support/transport_suite/index.js'

describe.skipIf(!onWindows)('as every transport', () => {
  transportSuite(
    pipeTransport('a named pipe of bytes that can be half-closed', {
      mode: 'byte',
      halfClose: true,
      rounds: stress({ short: 1000, full: 10_000 }),
      streamBytes: stress({ short: 2 ** 26, full: 2 ** 30 }),
    }),
  )
  transportSuite(
    pipeTransport('a named pipe of messages', {
      mode: 'message',
      halfClose: true,
      rounds: stress({ short: 500, full: 2000 }),
      streamBytes: stress({ short: 2 ** 25, full: 500 * 2 ** 20 }),
    }),
  )
  transportSuite(
    pipeTransport('a named pipe of bytes', {
      mode: 'byte',
      halfClose: false,
      rounds: stress({ short: 200, full: 1000 }),
      streamBytes: stress({ short: 2 ** 24, full: 2 ** 26 }),
    }),
  )
})
