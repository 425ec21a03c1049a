import { expect, test } from 'vitest'

import { Child } from '../support/child.js'
import { bytes, namedRing } from '../support/rings.js'

test.each([
  'read, unref',
  'unref, read',
  'consume, unref',
  'unref, consume',
  'unref, consume, spin',
  'read with timeout, unref',
  'unref, read with timeout',
  'write, unref',
  'unref, write',
  'nothing',
])('a process ends by itself when no more than this is pending: %s', async (what) => {
  const ring = namedRing()
  const child = new Child('ref.mjs', [ring.name, what])
  expect(await child.exited).toEqual({ code: 0, signal: null })
  expect(child.errors).toBe('')
})

test.each(['read', 'unref, ref, read', 'read, unref, ref', 'consume', 'consume, unref, ref'])(
  'a process stays while this is pending: %s',
  async (what) => {
    const ring = namedRing()
    const child = new Child('ref.mjs', [ring.name, what])
    expect(await child.next()).toBe('beforeExit will tell')
    const producer = ring.producer()
    producer.tryWrite(bytes('message'))
    producer.close()
    // It was there to get it; it would have said 'beforeExit' otherwise.
    expect(await child.next()).toBe('message')
    expect(await child.exited).toEqual({ code: 0, signal: null })
  },
)
