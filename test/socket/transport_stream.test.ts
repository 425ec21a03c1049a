import { transportSuite } from '../support/transport_suite/index.js'
import { unixTransport } from '../support/unix_transports.js'

transportSuite(
  unixTransport('a Unix stream socket', {
    type: 'stream',
    address: 'path',
    rounds: 10_000,
    streamBytes: 2 ** 30,
  }),
)
