import { addressTransport, findPorts } from '../support/address_transports.js'
import { transportSuite } from '../support/transport_suite/index.js'

await findPorts(1500)

transportSuite(addressTransport('tcp:', { rounds: 200, streamBytes: 2 ** 24 }))
