/** Closing while something waits; workers that are terminated; processes that exit. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { eventually, openDescriptors, threadCount } from '../support/resources.js'
import { bytes, namedRing, ringWithEnds, sluiceError } from '../support/rings.js'

const big = Buffer.alloc(1800)

describe('closing while something waits rejects it, once, with ERR_SLUICE_CLOSED', () => {
  type Ends = ReturnType<typeof ringWithEnds>
  const waits: Record<string, (ends: Ends) => Promise<unknown>> = {
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
  const warned = once(process, 'warning')
  const forgotten = namedRing()
  forgetProducer(forgotten.name)
  await eventually(() => !forgotten.stats().producer.alive)
  await warned
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

const states = [
  'readSync',
  'waitSync',
  'writeSync',
  'producer waitSync',
  'read',
  'write',
  'consume',
  'consume, looking',
  'consume, busy',
  'iterator',
  'read stream',
  'write stream',
  'draining',
  'throwing',
  'idle',
] as const

describe('a worker', () => {
  function worker(state: string, name: string): Worker {
    const path = fileURLToPath(new URL('../fixtures/state_worker.mjs', import.meta.url))
    const made = new Worker(path, { workerData: { state, name } })
    onTestFinished(async () => {
      await made.terminate()
    })
    return made
  }

  test.each(states)('can be terminated while it is in: %s', async (state) => {
    const ring = namedRing()
    const before = openDescriptors()
    const made = worker(state, ring.name)
    expect(await once(made, 'message')).toEqual(['in'])
    await made.terminate()
    // The role is free, and nothing of the worker is left.
    expect(ring.stats()).toMatchObject({ producer: { alive: false }, consumer: { alive: false } })
    ring.consumer().close()
    await eventually(
      () => JSON.stringify(openDescriptors()) === JSON.stringify(before),
      () => JSON.stringify([before, openDescriptors()]),
    )
  })

  test.each(states)('may exit by itself while it is in: %s', async (state) => {
    const ring = namedRing()
    const made = worker(`${state}, then exit`, ring.name)
    const [code] = (await once(made, 'exit')) as [number]
    expect(code).toBe(5)
    expect(ring.stats()).toMatchObject({ producer: { alive: false }, consumer: { alive: false } })
  })

  test('reads by readSync what the main thread writes', async () => {
    const ring = namedRing()
    const made = worker('echo', ring.name)
    const producer = ring.producer()
    for (let i = 0; i < 1000; i++) await producer.write(bytes(String(i)))
    producer.close()
    const [texts] = (await once(made, 'message')) as [string[]]
    expect(texts).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
    await once(made, 'exit')
  })

  test('is one of many, each with its own ends', async () => {
    const rings = Array.from({ length: 8 }, () => namedRing())
    const workers = rings.map((ring) => worker('echo', ring.name))
    const answers = workers.map(async (made) => ((await once(made, 'message')) as [string[]])[0])
    await Promise.all(
      rings.map(async (ring, n) => {
        const producer = ring.producer()
        for (let i = 0; i < 100; i++) await producer.write(bytes(`${String(n)}:${String(i)}`))
        producer.close()
      }),
    )
    for (const [n, texts] of (await Promise.all(answers)).entries()) {
      expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => `${String(n)}:${String(i)}`))
    }
  })
})

describe('a process', () => {
  test.each(states)('may exit while it is in: %s', async (state) => {
    const ring = namedRing()
    const child = new Child('exit_state.mjs', [ring.name, state])
    expect(await child.exited).toEqual({ code: 5, signal: null })
    expect(child.errors).toBe('')
    expect(ring.stats()).toMatchObject({ producer: { alive: false }, consumer: { alive: false } })
  })

  test.each(states)('may exit while its worker is in: %s', async (state) => {
    const ring = namedRing()
    const child = new Child('exit_state.mjs', [ring.name, state, 'worker'])
    expect(await child.exited).toEqual({ code: 5, signal: null })
    expect(child.errors).toBe('')
  })
})
