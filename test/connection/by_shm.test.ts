import { addressTransport } from '../support/address_transports.js'
import { transportSuite } from '../support/transport_suite/index.js'

transportSuite(addressTransport('shm:', { rounds: 200, streamBytes: 2 ** 24 }))
