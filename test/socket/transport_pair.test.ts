import { transportSuite } from '../support/transport_suite/index.js'
import { unixPairTransport } from '../support/unix_transports.js'

for (const type of ['stream', 'seqpacket'] as const) {
  transportSuite(
    unixPairTransport(`a socketpair of type ${type}`, { type, rounds: 1000, streamBytes: 2 ** 26 }),
  )
}
