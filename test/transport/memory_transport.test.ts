import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'

import { connectInMemory, listenInMemory, memoryPair } from '../support/memory_transport.js'
import { transportSuite, type TransportUnderTest } from '../support/transport_suite/index.js'

function memory(name: string, keepsBoundaries: boolean): TransportUnderTest {
  return {
    name,
    keepsBoundaries,
    halfClose: true,
    hasPartialSends: !keepsBoundaries,
    findsAtOnce: true,
    ownsResources: false,
    largestWrite: keepsBoundaries ? 131_072 : Infinity,
    goneCodes: ['EPIPE', 'ECONNRESET'],
    knowsPeerProcess: true,
    rounds: 1000,
    streamBytes: 2 ** 26,
    pair: (options) => Promise.resolve(memoryPair({ ...options, keepsBoundaries })),
    server: {
      address: randomUUID,
      listen: (address, options) => listenInMemory(address, { ...options, keepsBoundaries }),
      listenNarrowly: (address) => listenInMemory(address, { keepsBoundaries, backlog: 1 }),
      connect: (address, options) => connectInMemory(address, options),
      nobodyCodes: ['ECONNREFUSED'],
      manyClients: 1000,
    },
  }
}

describe('a transport that was written outside of the package', () => {
  transportSuite(memory('a stream in memory', false))
  transportSuite(memory('messages in memory', true))
})
