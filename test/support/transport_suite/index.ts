/**
 * The contract of connections and servers, executed. Every transport has to keep it; a new one is
 * described as a `TransportUnderTest` and passed to `transportSuite` by a test file of its own.
 */
import { describe } from 'vitest'

import { accepting } from './accepting.js'
import { cancelling } from './cancelling.js'
import { deaths } from './deaths.js'
import { endings } from './endings.js'
import { fairness } from './fairness.js'
import { limits } from './limits.js'
import { listeners } from './listeners.js'
import { messages } from './messages.js'
import { openResources } from './open_resources.js'
import { referenceCounting } from './reference_counting.js'
import { serving } from './serving.js'
import { streams } from './streams.js'
import { timeouts } from './timeouts.js'
import { stress } from '../stress.js'
import type { TransportUnderTest } from './transport_under_test.js'
import { Workbench } from './workbench.js'
import { wrongUse } from './wrong_use.js'

export type * from './transport_under_test.js'

export function transportSuite(transport: TransportUnderTest): void {
  const { name, server, remote } = transport
  const rounds = transport.rounds * stress({ short: 1 / 5, full: 1, long: 50 })
  const bench = new Workbench({ ...transport, rounds })
  describe(name, () => {
    streams(bench)
    messages(bench)
    endings(bench)
    cancelling(bench)
    limits(bench)
    timeouts(bench)
    listeners(bench)
    fairness(bench)
    wrongUse(bench, server)
    openResources(bench)
    if (server !== undefined) {
      accepting(bench, server)
      serving(bench, server)
    }
    if (remote !== undefined) {
      deaths(bench, remote)
      referenceCounting(bench, remote)
    }
  })
}
