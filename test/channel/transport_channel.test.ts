import { channelTransport } from '../support/channels.js'
import { transportSuite } from '../support/transport_suite/index.js'

transportSuite(channelTransport(1000, 2 ** 28))
