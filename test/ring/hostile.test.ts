/** A peer that writes whatever it likes wherever it can. */
import { describe, expect, test } from 'vitest'

import { SluiceError, type Ring } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { attempt, bytes, namedRing, sluiceError, writeWords, zeroCopy } from '../support/rings.js'
import { stress } from '../support/stress.js'

const header = { tail: 128, head: 256, consumerParked: 384, producerParked: 512 }
const corrupt = sluiceError('ERR_SLUICE_CORRUPT')

describe('a consumer finds', () => {
  test.each([
    ['a tail beyond the capacity', { [header.tail]: 4096 + 8 }],
    ['a tail far out', { [header.tail]: 0x80000000 }],
    ['a tail behind its own position', { [header.tail]: 2 ** 32 - 8 }],
    ['a tail that is not aligned', { [header.tail]: 12 }],
    ['a record longer than what was published', { [header.tail]: 16, 4096: 100 }],
    ['a record longer than the ring', { [header.tail]: 4096, 4096: 0xffffffff }],
    ['a record longer than the longest message', { [header.tail]: 4096, 4096: 2048 }],
    ['a negative length', { [header.tail]: 4096, 4096: 0x80000000 }],
    ['a length that overflows when it is rounded up', { [header.tail]: 16, 4096: 0x7fffffff }],
    ['a negative type that is no padding', { [header.tail]: 16, 4096: 8, 4100: 0xfffffffe }],
    ['padding at the beginning', { [header.tail]: 4096, 4096: 4088, 4100: 0xffffffff }],
    [
      'padding that does not reach to the end',
      { [header.tail]: 32, 4096: 8, 4112: 8, 4116: 0xffffffff },
    ],
  ])('%s', async (_, words) => {
    const calls: ((ring: Ring) => unknown)[] = [
      (ring) => {
        const consumer = ring.consumer()
        writeWords(ring.name ?? '', words)
        for (let i = 0; i < 3; i++) consumer.tryRead()
        return undefined
      },
      (ring) => {
        const consumer = ring.consumer()
        writeWords(ring.name ?? '', words)
        return consumer.drain(() => undefined)
      },
      async (ring) => {
        const consumer = ring.consumer()
        const reads = [consumer.read(), consumer.read()]
        const outcomes = Promise.all(reads)
        writeWords(ring.name ?? '', words)
        return outcomes
      },
      (ring) => {
        const consumer = ring.consumer()
        writeWords(ring.name ?? '', words)
        return consumer.consume(() => undefined)
      },
      (ring) => {
        const consumer = ring.consumer()
        writeWords(ring.name ?? '', words)
        for (;;) consumer.readSync(1000)
      },
    ]
    for (const call of calls) {
      const ring = namedRing()
      await expect(attempt(() => call(ring))).rejects.toThrow(corrupt)
    }
  })

  test('it in one state for good: every call says so, close works, the stream is no ended one', () => {
    const ring = namedRing()
    const consumer = ring.consumer()
    writeWords(ring.name, { [header.tail]: 4096 + 8 })
    expect(() => consumer.tryRead()).toThrow(corrupt)
    writeWords(ring.name, { [header.tail]: 0 })
    expect(() => consumer.tryRead()).toThrow(corrupt)
    expect(() => consumer.drain(() => undefined)).toThrow(corrupt)
    expect(() => consumer.createReadStream()).toThrow(corrupt)
    consumer.close()
    expect(() => consumer.tryRead()).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })
})

describe('a producer finds', () => {
  test.each([
    ['a head before the tail by more than the capacity', 2 ** 32 - 4096],
    ['a head beyond the tail', 4096 + 8],
    ['a head far out', 0x80000000],
    ['a head that is not aligned', 2004],
  ])('%s', async (_, head) => {
    const calls: ((ring: Ring) => unknown)[] = [
      (ring) => {
        const producer = ring.producer()
        while (producer.tryWrite(Buffer.alloc(1000)));
        writeWords(ring.name ?? '', { [header.head]: head })
        return producer.tryWrite(Buffer.alloc(1000))
      },
      (ring) => {
        const producer = ring.producer()
        while (producer.tryWrite(Buffer.alloc(1000)));
        const writes = Promise.all([
          producer.write(Buffer.alloc(1000)),
          producer.write(Buffer.alloc(1000)),
        ])
        writeWords(ring.name ?? '', { [header.head]: head })
        return writes
      },
    ]
    for (const call of calls) {
      const ring = namedRing()
      await expect(attempt(() => call(ring))).rejects.toThrow(corrupt)
    }
  })
})

const known = new Set([
  'ERR_SLUICE_CORRUPT',
  'ERR_SLUICE_TIMEOUT',
  'ERR_SLUICE_PEER_DIED',
  'ERR_SLUICE_PEER_CLOSED',
  'ERR_SLUICE_INVALID_STATE',
  'ERR_SLUICE_STREAM_ENDED',
  'ERR_SLUICE_CLOSED',
])

/** One call of every kind; what it throws must be one of ours. */
async function useEverything(ring: Ring, round: number): Promise<Set<string>> {
  const codes = new Set<string>()
  const tryIt = async (call: () => unknown) => {
    try {
      await call()
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      expect(known).toContain(error.code)
      codes.add(error.code)
    }
  }
  const message = bytes('x'.repeat(round % 300))
  await tryIt(async () => {
    const producer = ring.producer({ spin: round % 2 === 0 ? 0 : 20 })
    try {
      await tryIt(() => {
        for (let i = 0; i < 100; i++) producer.tryWrite(message)
      })
      await tryIt(() => producer.write(message, { timeout: 1 }))
      await tryIt(() => producer.ready(2000, { timeout: 1 }))
      await tryIt(() => {
        producer.writeSync(message, { timeout: 1 })
      })
      await tryIt(() => {
        producer.cork()
        for (let i = 0; i < 20; i++) producer.tryWrite(message)
        producer.uncork()
      })
      if (zeroCopy) {
        await tryIt(() => {
          if (!producer.tryReserve(message.length)) return
          producer.bytes.set(message, producer.offset)
          producer.commit()
        })
      }
    } finally {
      if (round % 3 === 0) producer.close()
      else producer.abandon()
    }
  })
  await tryIt(async () => {
    const consumer = ring.consumer({ spin: round % 2 === 0 ? 0 : 20 })
    try {
      const handler = (view: Buffer) => {
        expect(view.length).toBeLessThanOrEqual(ring.maxMessageLength)
      }
      await tryIt(() => {
        for (let i = 0; i < 10; i++) consumer.tryRead()
      })
      await tryIt(() => consumer.drain(handler, 10_000))
      await tryIt(() => consumer.read({ timeout: 1 }))
      await tryIt(() => consumer.readSync(1))
      await tryIt(async () => {
        const controller = new AbortController()
        setTimeout(() => {
          controller.abort(new SluiceError('ERR_SLUICE_TIMEOUT', 'enough'))
        }, 1)
        await consumer.consume(handler, { signal: controller.signal, burst: 100 })
      })
      if (zeroCopy) {
        await tryIt(() => {
          for (let i = 0; i < 10 && consumer.peek() >= 0; i++) {
            const { offset } = consumer
            expect(offset).toBeLessThanOrEqual(ring.capacity)
            consumer.release()
          }
        })
      }
    } finally {
      consumer.close()
    }
  })
  ring.stats()
  return codes
}

test.each(['header', 'data', 'everything'])(
  'another process that scribbles over the %s all the time: only our errors, and an end',
  async (where) => {
    const ring = namedRing()
    const child = new Child('scribbler.mjs', [ring.name, where], {
      env: { SLUICE_NO_EXTERNAL_BUFFERS: undefined }, // it writes with views, whatever we do
    })
    await child.next()
    const seen = new Set<string>()
    const rounds = stress({ short: 150, full: 150, long: 20_000 })
    for (let round = 0; round < rounds; round++) {
      for (const code of await useEverything(ring, round)) seen.add(code)
      // A fresh start now and then, or all of it is refused at the claim.
      if (round % 2 === 0) writeWords(ring.name, { [header.tail]: 0, [header.head]: 0 })
    }
    if (where !== 'data') expect(seen).toContain('ERR_SLUICE_CORRUPT')
    child.kill('SIGKILL')
  },
)
