/** Death between any two stores of a publication, and of a release; the exact account by the successor. */
import { expect, test } from 'vitest'

import type { Ring } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onWindows, skipAllIf } from '../support/platform.js'
import { namedRing, noViews, zeroCopy } from '../support/rings.js'

skipAllIf(onWindows || !zeroCopy, `the stores of JavaScript are counted; ${noViews}`)

const mostStores = 40

/** Whether the peer died at its n-th store; false when it has done its work before. */
async function dies(ring: Ring & { name: string }, what: string, nth: number): Promise<boolean> {
  const child = new Child('dying_peer.mjs', [ring.name, what, nth])
  const { code, signal } = await child.exited
  expect(child.errors).toBe('')
  if (signal === 'SIGKILL') return true
  expect(code).toBe(0)
  return false
}

/** The messages in the ring, each as its first byte and its length. */
function drained(ring: Ring): string[] {
  const all: string[] = []
  const consumer = ring.consumer()
  consumer.drain(
    (message) => void all.push(`${String(message.subarray(0, 1))}${String(message.length)}`),
  )
  consumer.abandon()
  return all
}

test.each([
  { what: 'record', before: 0, all: ['a100'], publications: 1 },
  { what: 'wrap', before: 4, all: ['a500'], publications: 1 },
  { what: 'cork', before: 0, all: ['a20', 'b20', 'c20'], publications: 1 },
  { what: 'cork and wrap', before: 3, all: ['a200', 'b200', 'c200'], publications: 1 },
  { what: 'two records', before: 0, all: ['a20', 'b20'], publications: 2 },
])(
  'a producer that dies at any store of: $what; all that was published is there, and nothing else',
  async ({ what, before, all, publications }) => {
    const seen = new Set<string>()
    for (let nth = 1; ; nth++) {
      expect(nth).toBeLessThan(mostStores)
      const ring = namedRing()
      // Bytes of an earlier lap, which look like headers, and positions near the end of the data.
      const forged = Buffer.alloc(1000)
      for (let at = 0; at < forged.length; at += 4) forged.writeUInt32LE(0x80000008, at)
      const first = ring.producer()
      for (let i = 0; i < 4 + before; i++) {
        expect(first.tryWrite(forged)).toBe(true)
        if (i >= 3) drained(ring)
      }
      drained(ring)
      first.abandon()

      const died = await dies(ring, what, nth)
      const successor = ring.producer()
      expect(successor.tryWrite(Buffer.alloc(7, 'z'))).toBe(true)
      const got = drained(ring)
      expect(got.pop()).toBe('z7')
      // The messages of one publication become visible all together or not at all.
      const part = all.length / publications
      expect(got).toEqual(all.slice(0, got.length))
      expect(got.length % part).toBe(0)
      expect(ring.stats().used).toBe(0)
      seen.add(String(got.length))
      if (!died) {
        expect(got).toEqual(all)
        break
      }
    }
    // Deaths before, between and after the publications were among them.
    expect(seen.size).toBe(publications + 1)
  },
)

test.each([
  { what: 'release', released: 1 },
  { what: 'drain', released: 2 },
])(
  'a consumer that dies at any store of a $what: its messages come again, or none of them',
  async ({ what, released }) => {
    const seen = new Set<number>()
    for (let nth = 1; ; nth++) {
      expect(nth).toBeLessThan(mostStores)
      const ring = namedRing()
      const producer = ring.producer()
      for (const letter of 'abc') producer.tryWrite(Buffer.alloc(20, letter))
      const died = await dies(ring, what, nth)
      const got = drained(ring)
      expect([3, 3 - released]).toContain(got.length)
      expect(got).toEqual(['a20', 'b20', 'c20'].slice(3 - got.length))
      seen.add(got.length)
      if (!died) break
    }
    expect([...seen].sort()).toEqual([3 - released, 3])
  },
)
