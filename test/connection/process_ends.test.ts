/** Programs that have nothing more to do over a connection end by themselves. */
import { describe, expect, test } from 'vitest'

import { listen } from '../../lib/index.js'
import { addressOf, findPorts, schemes } from '../support/address_transports.js'
import { Child } from '../support/child.js'
import { closedAfterTest } from '../support/rings.js'

const things = [
  'a cancelled send',
  'a send that waited and was cancelled',
  'an idle pool',
  'a lasting connection that was closed',
  'a port that was closed',
]

await findPorts(things.length)

describe.each(schemes)('over %s', (scheme) => {
  test.each(things)('%s', async (thing) => {
    const server = closedAfterTest(await listen(addressOf(scheme)))
    const child = new Child('process_ends.mjs', [thing, server.address])
    const accepted = await server.accept()
    accepted.on('error', () => undefined)
    expect(await child.next()).toBe('done')
    expect(await child.exited).toEqual({ code: 0, signal: null })
    accepted.destroy()
  })
})
