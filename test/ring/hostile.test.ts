/** A peer that writes whatever it likes wherever it can. */
import { describe, expect, test } from 'vitest'

import { SluiceError, type Ring } from '../../lib/index.js'
import { Child } from '../support/child.js'
import {
  attempt,
  bytes,
  namedRing,
  ringWithEnds,
  setPositions,
  sluiceError,
  writeWords,
  zeroCopy,
} from '../support/rings.js'
import { stress } from '../support/stress.js'

const header = { tail: 128, head: 256, consumerParked: 384, producerParked: 512 }
const corrupt = sluiceError('ERR_SLUICE_CORRUPT')

/** A record's header at a position of a ring of 4096 bytes: its `commit` word and its type. */
function record(position: number, length: number, type = 0): Record<number, number> {
  return { [4096 + position]: 0x80000000 + length, [4100 + position]: type }
}
const padding = -1

describe('a consumer finds', () => {
  test.each([
    ['a header that is not marked as one', 0, { 4096: 100 }],
    ['a record longer than the ring', 0, record(0, 0x7fffffff)],
    ['a record longer than the longest message', 0, record(0, 2040)],
    ['a length that overflows when it is rounded up', 0, record(0, 0x7ffffff9)],
    ['a record that reaches beyond the end of the data', 4080, record(4080, 16)],
    ['a negative type that is no padding', 0, record(0, 8, -2)],
    ['padding at the beginning', 0, record(0, 4088, padding)],
    ['padding after padding', 4088, { ...record(4088, 0, padding), ...record(0, 4088, padding) }],
    ['padding that does not reach to the end', 0, { ...record(0, 8), ...record(16, 8, padding) }],
    ['padding that reaches beyond the end', 0, { ...record(0, 8), ...record(16, 4080, padding) }],
    ['padding longer than the ring', 0, { ...record(0, 8), ...record(16, 0x7fffffff, padding) }],
  ])('%s', async (_, position, words) => {
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
      setPositions(ring, position)
      await expect(attempt(() => call(ring))).rejects.toThrow(corrupt)
    }
  })

  test.each([
    ['beyond the capacity', 4096 + 8],
    ['far out', 0x80000000],
    ['behind the consumer', 2 ** 32 - 8],
    ['that is not aligned', 12],
  ])('nothing in a tail %s: it is a note that a consumer does not read', (_, tail) => {
    const ring = namedRing()
    const consumer = ring.consumer()
    writeWords(ring.name, { [header.tail]: tail, ...record(0, 0, 7) })
    expect(consumer.tryRead()).toEqual(Buffer.alloc(0))
    expect(consumer.type).toBe(7)
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('it in one state for good: every call says so, close works, the stream is no ended one', () => {
    const ring = namedRing()
    const consumer = ring.consumer()
    writeWords(ring.name, record(0, 5000))
    expect(() => consumer.tryRead()).toThrow(corrupt)
    writeWords(ring.name, { 4096: 0 })
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
    ['a head that leaves no room for a word behind the last record', 2 ** 32 - 64],
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

test('calls are bounded by one filling of the ring, however fast records appear', async () => {
  const { ring, producer, consumer } = ringWithEnds()
  const message = Buffer.alloc(56)
  const refill = () => {
    while (producer.tryWrite(message));
  }
  refill()
  // The producer is always faster: after each message the ring is full again.
  expect(consumer.drain(refill)).toBe(4096 / 64)
  let turns = 0
  const counting = setInterval(() => turns++, 0)
  await consumer.consume(() => {
    refill()
    return turns < 5
  })
  clearInterval(counting)
  expect(ring.stats().used).toBeGreaterThan(0)
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
      if (round % 2 === 0) {
        writeWords(ring.name, { [header.tail]: 0, [header.head]: 0, 4096: 0 })
      }
    }
    if (where !== 'data') expect(seen).toContain('ERR_SLUICE_CORRUPT')
    child.kill('SIGKILL')
  },
)
