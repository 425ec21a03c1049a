/** More ends in one process than one thread can sleep for. */
import { expect, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { threadCount } from '../support/resources.js'
import { bytes, closedAfterTest } from '../support/rings.js'

const count = 200

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}

function ends() {
  return Array.from({ length: count }, () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    return { ring, producer: ring.producer(), consumer: ring.consumer() }
  })
}

test('each of 200 consumers that sleep is woken by its own message', async () => {
  const before = threadCount()
  const all = ends()
  for (let round = 0; round < 5; round++) {
    const reads = all.map(({ consumer }) => consumer.read())
    for (const { producer, i } of shuffled(all.map(({ producer }, i) => ({ producer, i })))) {
      producer.tryWrite(bytes(`${String(round)}:${String(i)}`))
    }
    const texts = (await Promise.all(reads)).map(String)
    expect(texts).toEqual(all.map((_, i) => `${String(round)}:${String(i)}`))
  }
  for (const { ring } of all) ring.close()
  expect(threadCount()).toBe(before)
})

test('they may be closed in any order while they sleep', async () => {
  const all = ends()
  const outcomes = all.map(({ consumer }) => consumer.read().then(String, (e: unknown) => e))
  const order = shuffled(all)
  for (const [i, { ring, producer }] of order.entries()) {
    if (i % 2 === 0) ring.close()
    else producer.close()
    if (i % 7 === 0) await new Promise(setImmediate)
  }
  for (const [i, outcome] of (await Promise.all(outcomes)).entries()) {
    const position = order.findIndex((other) => other === all[i])
    if (position % 2 === 0) expect(outcome).toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    else expect(outcome).toBe('undefined')
  }
})

test('ping-pong through many rings at once', async () => {
  const all = ends()
  let total = 0
  const consumed = all.map(({ consumer }) => consumer.consume(() => total++))
  await Promise.all(
    all.map(async ({ producer }) => {
      for (let i = 0; i < 20; i++) {
        await producer.write(bytes('x'))
        if (i % 5 === 0) await new Promise(setImmediate)
      }
      producer.close()
    }),
  )
  await Promise.all(consumed)
  expect(total).toBe(count * 20)
})
