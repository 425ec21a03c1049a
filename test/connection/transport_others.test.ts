import { describe } from 'vitest'

import { addressTransport } from '../support/address_transports.js'
import { onWindows } from '../support/platform.js'
import { transportSuite } from '../support/transport_suite/index.js'

const size = { rounds: 500, streamBytes: 2 ** 26 }

// Each has a suite of its own below `listen` and `connect`: this is about those two.
describe('through listen and connect', () => {
  transportSuite(addressTransport('pipe:', size))
  if (!onWindows) transportSuite(addressTransport('unix:', size))
  if (process.platform === 'linux') transportSuite(addressTransport('unix:@', size))
})
