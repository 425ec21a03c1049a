/**
 * Records are published by plain stores on x64: the assumption that engines keep stores in order,
 * tried with every kind of store, in each of V8's ways to run code. See lib/ring/publish.ts.
 */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

import { capabilities } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { stress } from '../support/stress.js'

const program = fileURLToPath(new URL('../package/litmus.mjs', import.meta.url))

const interpreter = ['--no-sparkplug', '--no-opt']
const baseline = ['--always-sparkplug', '--no-opt']

test.each([
  {
    code: 'as usual',
    flags: [],
    records: stress({ short: 300_000, full: 300_000, long: 100_000_000 }),
  },
  {
    code: 'interpreted',
    flags: interpreter,
    records: stress({ short: 30_000, full: 30_000, long: 10_000_000 }),
  },
  {
    code: 'from the baseline compiler',
    flags: baseline,
    records: stress({ short: 50_000, full: 50_000, long: 10_000_000 }),
  },
  {
    code: 'optimised at once',
    flags: ['--always-turbofan'],
    records: stress({ short: 30_000, full: 30_000, long: 10_000_000 }),
  },
])(
  '$records records of every kind of store, code $code: none is seen torn or early',
  async ({ flags, records }) => {
    const child = new Child(program, [records], { execArgv: flags })
    const stores = capabilities().plainStores ? 'plain' : 'ordered'
    expect(await child.next()).toEqual({ records, stores })
    await child.finish()
  },
)

test('SLUICE_ORDERED_STORES=1 does without the assumption, and capabilities() says so', async () => {
  const child = new Child(program, [20_000], { env: { SLUICE_ORDERED_STORES: '1' } })
  expect(await child.next()).toEqual({ records: 20_000, stores: 'ordered' })
  await child.finish()
})
