/**
 * Peers in Python that were written from docs/ring-format.md alone. They poll and do not ring, so
 * Node polls too: asleep it would see their doings only at its next recheck.
 */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

import { Child } from '../support/child.js'
import { onWindows, skipAllIf } from '../support/platform.js'
import { namedRing, setPositions } from '../support/rings.js'

const count = 5000

/** The same records and the same digest as in test/interop/minimal_peer.py. */
function* randomRecords(seed: number): Generator<[payload: Buffer, type: number]> {
  const pattern = Buffer.from(Uint8Array.from({ length: 4096 }, (_, i) => i & 255))
  let state = seed
  for (let i = 0; i < count; i++) {
    state = Number((BigInt(state) * 1103515245n + 12345n) & 0x7fffffffn)
    const start = (state >> 8) & 255
    yield [pattern.subarray(start, start + ((state >> 16) % 1500)), state & 0xffff]
  }
}

class Digest {
  static readonly #modulus = 4294967291n
  #count = 0
  #value = 0n

  add(payload: Uint8Array, type: number): void {
    const content = BigInt(`0x${Buffer.from(payload).reverse().toString('hex') || '0'}`)
    const more = BigInt(payload.length * 7 + type) + (content % Digest.#modulus)
    this.#value = (this.#value * 31n + more) % Digest.#modulus
    this.#count++
  }

  toString(): string {
    return `records ${String(this.#count)} digest ${String(this.#value)}`
  }
}

function python(peer: string, args: (string | number)[]): Child {
  const path = fileURLToPath(new URL(`../interop/${peer}_peer.py`, import.meta.url))
  return new Child(path, args, { program: 'python3' })
}

describe.each(['minimal', 'full'])('a %s peer in Python', (peer) => {
  skipAllIf(onWindows, 'the peers in Python map files of /dev/shm')

  test.each([0, 2 ** 32 - 65536])(
    'reads what Node writes, from position %i on',
    async (position) => {
      const ring = namedRing(16384)
      setPositions(ring, position)
      const producer = ring.producer()
      const child = python(peer, ['read', ring.name])
      const digest = new Digest()
      for (const [payload, type] of randomRecords(7)) {
        digest.add(payload, type)
        while (!producer.tryWrite(payload, type)) await new Promise(setImmediate)
      }
      producer.close()
      expect(await child.next()).toBe(String(digest))
      await child.finish()
      expect(ring.stats().used).toBe(0)
    },
  )

  test.each([0, 2 ** 32 - 65536])(
    'writes what Node reads, from position %i on',
    async (position) => {
      const ring = namedRing(16384)
      setPositions(ring, position)
      const consumer = ring.consumer()
      const child = python(peer, ['write', ring.name, count, 7])
      const [digest, expected] = [new Digest(), new Digest()]
      for (const [payload, type] of randomRecords(7)) expected.add(payload, type)
      while (ring.stats().producer.state !== 'closed') {
        consumer.drain((payload, type) => {
          digest.add(payload, type)
        })
        await new Promise(setImmediate)
      }
      await consumer.consume((payload, type) => {
        digest.add(payload, type)
      })
      expect(String(digest)).toBe(String(expected))
      expect(await child.next()).toBe(String(expected))
      await child.finish()
    },
  )
})
