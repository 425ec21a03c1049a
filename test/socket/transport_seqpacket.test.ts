import { transportSuite } from '../support/transport_suite/index.js'
import { unixTransport } from '../support/unix_transports.js'

transportSuite(
  unixTransport('a Unix seqpacket socket', {
    type: 'seqpacket',
    address: 'path',
    rounds: 2000,
    streamBytes: 2 ** 28,
  }),
)
