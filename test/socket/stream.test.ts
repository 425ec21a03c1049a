import { connectUnix, UnixServer } from '../../lib/index.js'
import { duplexSuite } from '../support/duplex_suite.js'
import { socketPath } from '../support/sockets.js'

duplexSuite({
  name: 'a Unix socket',
  goneCodes: ['EPIPE', 'ECONNRESET'],
  async connect(options = {}) {
    const path = socketPath()
    const server = await UnixServer.listen(path, options)
    const ends = await Promise.all([connectUnix(path, options), server.accept()])
    server.close()
    return ends
  },
})
