import { describe } from 'vitest'

import { addressTransport } from '../support/address_transports.js'
import { transportSuite } from '../support/transport_suite/index.js'

const transport = addressTransport('unix:@', { rounds: 200, streamBytes: 2 ** 24 })

describe.skipIf(process.platform !== 'linux')('through listen and connect', () => {
  transportSuite(transport)
})
