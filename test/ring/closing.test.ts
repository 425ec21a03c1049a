/** Closing while something waits, forgetting to close, and what is left after. */
import { describe, expect, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { eventually, threadCount } from '../support/resources.js'
import { bytes, namedRing, ringWithEnds, sluiceError } from '../support/rings.js'
import { nextWarning } from '../support/warnings.js'

const big = Buffer.alloc(1800)

describe('closing while something waits rejects it, once, with ERR_SLUICE_CLOSED', () => {
  type Ends = ReturnType<typeof ringWithEnds>
  const waits: Partial<Record<string, (ends: Ends) => Promise<unknown>>> = {
    read: ({ consumer }) => consumer.read(),
    'read with a timeout': ({ consumer }) => consumer.read({ timeout: 60_000 }),
    consume: ({ consumer }) => consumer.consume(() => undefined),
    'consume, while it looks': ({ consumer }) =>
      consumer.consume(() => undefined, { spin: 1_000_000 }),
    'an iterator': ({ consumer }) => consumer[Symbol.asyncIterator]().next(),
    write: ({ producer }) => {
      while (producer.tryWrite(big));
      return producer.write(big)
    },
    ready: ({ producer }) => {
      while (producer.tryWrite(big));
      return producer.ready(1800)
    },
  }
  const whats = ['end', 'ring', 'disposed'] as const

  test.each(Object.keys(waits).flatMap((wait) => whats.map((what) => [wait, what] as const)))(
    '%s, by closing the %s',
    async (wait, what) => {
      for (const turns of [0, 1, 5]) {
        const ends = ringWithEnds()
        const start = waits[wait]
        if (start === undefined) throw new Error(wait)
        const waiting = start(ends)
        const outcome = expect(waiting).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
        for (let i = 0; i < turns; i++) await new Promise(setImmediate)
        const end = wait === 'write' || wait === 'ready' ? ends.producer : ends.consumer
        if (what === 'end') end.close()
        else if (what === 'ring') ends.ring.close()
        else end[Symbol.dispose]()
        await outcome
      }
    },
  )

  test('the same for everything that waits at once', async () => {
    const ends = ringWithEnds()
    while (ends.producer.tryWrite(big));
    const waiting = [
      ...Array.from({ length: 10 }, () => ends.producer.write(big)),
      ends.producer.ready(5),
    ]
    const outcomes = Promise.allSettled(waiting)
    ends.ring.close()
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ reason: { code: 'ERR_SLUICE_CLOSED' } })
    }
  })
})

test('what nothing reaches gives its role up, with a warning', async () => {
  const warned = nextWarning()
  const forgotten = namedRing()
  forgetProducer(forgotten.name)
  await eventually(() => !forgotten.stats().producer.alive)
  expect((await warned).code).toBe('SLUICE_FORGOTTEN')
  forgotten.producer().close()
})

function forgetProducer(name: string): void {
  Ring.open(name).producer().tryWrite(bytes('x'))
}

test('threads exist only while ends are open', async () => {
  const before = threadCount()
  const ends = ringWithEnds()
  const read = ends.consumer.read()
  await eventually(() => threadCount() > before)
  ends.producer.tryWrite(bytes('x'))
  await read
  ends.ring.close()
  expect(threadCount()).toBe(before)
})
