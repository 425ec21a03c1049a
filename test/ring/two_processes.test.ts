import { expect, test } from 'vitest'

import { onWindows } from '../support/platform.js'
import { closedAfterTest, namedRing, setPositions, zeroCopy } from '../support/rings.js'
import { Child } from '../support/child.js'
import { stress } from '../support/stress.js'

const count = stress({
  short: 400_000,
  full: onWindows ? 10_000_000 : 2_000_000,
  long: 100_000_000,
})

// The calls that a producer and a consumer use; all ways meet the wrap of the positions at 2^32.
const ways = zeroCopy
  ? [
      { writing: 'reserve', reading: 'peek', messages: count },
      { writing: 'tryWrite', reading: 'drain', messages: count / 4 },
      { writing: 'write', reading: 'consume', messages: count / 4 },
      { writing: 'cork', reading: 'read', messages: count / 8 },
      { writing: 'writeSync', reading: 'readSync', messages: count / 8 },
    ]
  : [
      { writing: 'tryWrite', reading: 'drain', messages: count / 8 },
      { writing: 'cork', reading: 'read', messages: count / 16 },
      { writing: 'writeSync', reading: 'readSync', messages: count / 16 },
    ]

test.each(ways)(
  '$messages messages of random length by $writing and $reading, in order and whole',
  async ({ writing, reading, messages }) => {
    const ring = namedRing(65536)
    setPositions(ring, 2 ** 32 - 32768)
    const seed = 12345
    const producer = new Child('random_producer.mjs', [ring.name, writing, messages, seed])
    const consumer = new Child('random_consumer.mjs', [ring.name, reading, seed])
    expect(await consumer.next()).toEqual({ received: messages })
    await Promise.all([producer.finish(), consumer.finish()])
    expect(ring.stats()).toMatchObject({
      used: 0,
      producer: { state: 'closed', messages: messages % 2 ** 32 },
      consumer: { messages: messages % 2 ** 32 },
    })
    closedAfterTest(ring)
  },
  stress({ short: 120_000, full: 120_000, long: 3_600_000 }),
)
