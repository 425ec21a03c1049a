/** SIGKILL at random moments, and the exact account of what arrived. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { Ring, SharedMemory } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { closedAfterTest, namedRing, sluiceError, uniqueName } from '../support/rings.js'
import { stress } from '../support/stress.js'

const kills = stress({ short: 4, full: 20, long: 400 })

/** A word that outlives its writer: how far it has come. */
function progress() {
  const memory = closedAfterTest(SharedMemory.create(uniqueName(), { size: 8 }))
  return { name: memory.name ?? '', words: new Int32Array(memory.buffer) }
}

/** Some moment of the first milliseconds of work; the work itself is what varies it. */
async function someMoment(): Promise<void> {
  await delay(Math.floor(Math.random() * 8))
}

test.each(['tryWrite', 'reserve', 'write'])(
  `a producer that is killed ${String(kills)} times while it uses %s: nothing is lost or invented`,
  async (how) => {
    const ring = namedRing(4096)
    const consumer = ring.consumer()
    const { name, words } = progress()
    let next = 0
    let spare = new Child('counting_producer.mjs', [ring.name, name, how])
    for (let kill = 0; kill < kills; kill++) {
      const child = spare
      spare = new Child('counting_producer.mjs', [ring.name, name, how])
      await child.next() // it has started
      await child.ask(next) // it has the role
      const started = next
      const reading = (async () => {
        for (;;) {
          const message = await consumer.read()
          expect(message?.readUInt32LE(0)).toBe(next)
          next++
        }
      })()
      const ended = expect(reading).rejects.toThrow(
        sluiceError('ERR_SLUICE_PEER_DIED', { pid: child.pid }),
      )
      await someMoment()
      child.kill('SIGKILL')
      await child.exited
      await ended
      // It wrote down each message after it was committed, so one may be ahead of the account.
      const written = Math.max(Atomics.load(words, 0), started)
      expect(next - written).toBeGreaterThanOrEqual(0)
      expect(next - written).toBeLessThanOrEqual(1)
    }
    expect(next).toBeGreaterThan(0)
  },
)

test.each(['drain', 'peek'])(
  `a consumer that is killed ${String(kills)} times while it uses %s: at most its last comes twice`,
  async (how) => {
    const ring = namedRing(4096)
    const producer = ring.producer()
    const { name, words } = progress()
    let written = 0
    const message = Buffer.alloc(64)
    const work = { done: false }
    const writing = (async () => {
      while (!work.done) {
        message.writeUInt32LE(written)
        try {
          await producer.write(message)
          written++
        } catch (error) {
          // The death is learnt of when there is no room; a successor makes some.
          expect(error).toMatchObject({ code: 'ERR_SLUICE_PEER_DIED' })
          await new Promise(setImmediate)
        }
        if (written % 64 === 0) await new Promise(setImmediate)
      }
    })()
    let spare = new Child('counting_consumer.mjs', [ring.name, name, how])
    for (let kill = 0; kill < kills; kill++) {
      const handled = Atomics.load(words, 0)
      const child = spare
      spare = new Child('counting_consumer.mjs', [ring.name, name, how])
      await child.next() // it has started
      const { first } = await child.ask<{ first: number }>('go')
      // `handled` messages were handled: the last of them comes again unless it was released.
      expect([handled - 1, handled]).toContain(first)
      await someMoment()
      child.kill('SIGKILL')
      await child.exited
      expect(child.errors).toBe('')
    }
    work.done = true
    producer.close()
    await writing.catch(() => undefined)
    const rest = closedAfterTest(Ring.open(ring.name)).consumer()
    const handled = Atomics.load(words, 0)
    let expected: number | undefined
    for await (const bytes of rest) {
      expected ??= bytes.readUInt32LE(0)
      expect(bytes.readUInt32LE(0)).toBe(expected)
      expected++
    }
    if (expected !== undefined) expect(expected).toBe(written)
    else expect(handled).toBe(written)
  },
)
