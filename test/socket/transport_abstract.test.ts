import { transportSuite } from '../support/transport_suite/index.js'
import { unixTransport } from '../support/unix_transports.js'

transportSuite(
  unixTransport('a Unix socket with an abstract name', {
    type: 'stream',
    address: 'abstract',
    rounds: 1000,
    streamBytes: 2 ** 26,
  }),
)
