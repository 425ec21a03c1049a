import { onWindows } from '../support/platform.js'
import { pipeTransport } from '../support/pipe_transports.js'
import { describe } from 'vitest'
import { transportSuite } from '../support/transport_suite/index.js'

describe.skipIf(!onWindows)('as every transport', () => {
  transportSuite(
    pipeTransport('a named pipe of bytes that can be half-closed', {
      mode: 'byte',
      halfClose: true,
      rounds: 10_000,
      streamBytes: 2 ** 30,
    }),
  )
  transportSuite(
    pipeTransport('a named pipe of messages', {
      mode: 'message',
      halfClose: true,
      rounds: 2000,
      streamBytes: 500 * 2 ** 20,
    }),
  )
  transportSuite(
    pipeTransport('a named pipe of bytes', {
      mode: 'byte',
      halfClose: false,
      rounds: 1000,
      streamBytes: 2 ** 26,
    }),
  )
})
