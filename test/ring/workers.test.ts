import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { unixOnly } from '../support/platform.js'
import { eventually, openDescriptors } from '../support/resources.js'
import { bytes, namedRing, uniqueName } from '../support/rings.js'
import { states } from '../support/states.js'
import { stress } from '../support/stress.js'

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

  unixOnly('memory goes with a creator that dies')(
    'can be terminated while it waits for a creator',
    async () => {
      const name = uniqueName()
      writeFileSync(`/dev/shm${name}`, '')
      const made = worker('opening', name)
      expect(await once(made, 'message')).toEqual(['in'])
      await made.terminate() // else it would wait for ten minutes
      expect(Ring.removeHalfMade(name)).toBe(true)
    },
  )

  const moments = stress({ short: 6, full: 20 })

  test('can be terminated at any moment while native code throws', async () => {
    const ring = namedRing()
    for (let i = 0; i < moments; i++) {
      const made = worker('throwing', ring.name)
      await once(made, 'message')
      for (let turns = i; turns > 0; turns--) await new Promise(setImmediate)
      await made.terminate()
    }
    ring.consumer().close()
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
    // Before it can be: what a worker has said last may come in the same turn as its exit.
    const exited = once(made, 'exit')
    const producer = ring.producer()
    for (let i = 0; i < 1000; i++) await producer.write(bytes(String(i)))
    producer.close()
    const [texts] = (await once(made, 'message')) as [string[]]
    expect(texts).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
    await exited
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
