import { expect, test } from 'vitest'

import { connectUnix } from '../../lib/index.js'
import { Child, limitedTo } from '../support/child.js'
import { closedAfterTest } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'

test('a server without free descriptors pauses, warns once, does not spin, and goes on', async () => {
  const path = socketPath()
  const child = new Child('exhausted_server.mjs', [path], limitedTo(64))
  expect(await child.next()).toBe('listening')
  const client = closedAfterTest(await connectUnix(path))
  client.write('patience')
  expect(await child.ask('fill up')).toBe('EMFILE')
  expect(await child.next()).toBe('SLUICE_ACCEPT_PAUSED')
  expect(await child.next()).toBe('quiet')
  expect(await child.next()).toBe('patience')
  await child.finish()
})
