import { addressTransport } from '../support/address_transports.js'
import { transportSuite } from '../support/transport_suite/index.js'

transportSuite(addressTransport('shm:', { rounds: 500, streamBytes: 2 ** 26 }))
