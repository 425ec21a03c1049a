import { describe } from 'vitest'

import { connectNamedPipe, NamedPipeServer } from '../../lib/index.js'
import { duplexSuite } from '../support/duplex_suite.js'
import { onWindows } from '../support/platform.js'
import { pipeName } from '../support/pipes.js'

describe.skipIf(!onWindows)('as every connection', () => {
  duplexSuite({
    name: 'a named pipe',
    goneCodes: ['ERROR_NO_DATA', 'ERROR_BROKEN_PIPE', 'ERROR_PIPE_NOT_CONNECTED'],
    async connect(options = {}) {
      const server = await NamedPipeServer.listen(pipeName(), { ...options, halfClose: true })
      const ends = await Promise.all([connectNamedPipe(server.address, options), server.accept()])
      server.close()
      return ends
    },
  })
})
