/** The ring against the simplest queue there is, over random sequences of operations. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { Ring, type Consumer, type Producer } from '../../lib/index.js'
import { namedRing, setPositions, zeroCopy } from '../support/rings.js'
import { stress } from '../support/stress.js'

interface Message {
  bytes: Buffer
  type: number
}

/** The content of the ring, by the rules of docs/ring-format.md, as plainly as can be. */
class Model {
  readonly messages: (Message & { size: number })[] = []
  readonly #capacity: number
  position: number
  visible = 0 // how many of the messages the consumer may see
  corked = 0
  used = 0

  constructor(capacity: number, position: number) {
    this.#capacity = capacity
    this.position = position
  }

  /** False when it does not fit; what is corked is then published. */
  put(message: Message, reserved = message.bytes.length): boolean {
    const [padding, size] = this.#sizes(reserved)
    // The word behind it says that nothing follows.
    if (this.used + padding + size + 8 > this.#capacity) {
      this.visible = this.messages.length
      return false
    }
    const taken = padding + recordSize(message.bytes.length)
    this.messages.push({ ...message, size: taken })
    this.used += taken
    this.position = (this.position + taken) % 2 ** 32
    if (this.corked === 0) this.visible = this.messages.length
    return true
  }

  take(): Message | undefined {
    if (this.visible === 0) return undefined
    const message = this.messages.shift()
    if (message === undefined) return undefined
    this.visible--
    this.used -= message.size
    return message
  }

  #sizes(length: number): [padding: number, size: number] {
    const size = recordSize(length)
    const toTheEnd = this.#capacity - (this.position % this.#capacity)
    return [size > toTheEnd ? toTheEnd : 0, size]
  }
}

function recordSize(length: number): number {
  return 8 + Math.ceil(length / 8) * 8
}

interface Real {
  ring: Ring
  producer: Producer
  consumer: Consumer
}

type Step = (model: Model, real: Real) => void

function contents(length: number, type: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + type + length) & 0xff))
}

function check(message: Message | undefined, bytes: Uint8Array | undefined, type: number): void {
  if (message === undefined || bytes === undefined) {
    expect(bytes).toBe(message)
  } else if (!message.bytes.equals(bytes)) {
    expect(bytes).toEqual(message.bytes)
  } else {
    expect(type).toBe(message.type)
  }
}

const length = fc.oneof(
  { weight: 5, arbitrary: fc.nat(100) },
  { weight: 2, arbitrary: fc.nat(2032) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 7, 8, 9, 2031, 2032) },
)
const type = fc.nat(2 ** 31 - 1)

const write = fc.tuple(length, type).map(([n, t]): Step => (model, { producer }) => {
  const message = { bytes: contents(n, t), type: t }
  expect(producer.tryWrite(message.bytes, t)).toBe(model.put(message))
})

const read = fc.constant<Step>((model, { consumer }) => {
  const bytes = consumer.tryRead()
  check(model.take(), bytes, consumer.type)
})

const drain = fc.tuple(fc.nat(20), fc.nat(30)).map(([limit, stopAt]): Step => (model, real) => {
  let count = 0
  const returned = real.consumer.drain((bytes, t) => {
    check(model.take(), bytes, t)
    return ++count !== stopAt
  }, limit)
  expect(returned).toBe(count)
  if (count < limit && count !== stopAt) expect(model.visible).toBe(0)
})

const cork = fc.constant<Step>((model, { producer }) => {
  producer.cork()
  model.corked++
})

const uncork = fc.constant<Step>((model, { producer }) => {
  producer.uncork()
  model.corked = Math.max(0, model.corked - 1)
  if (model.corked === 0) model.visible = model.messages.length
})

const reserve = fc
  .tuple(length, fc.double({ min: 0, max: 1, noNaN: true }), type, fc.boolean())
  .map(([reserved, part, t, abort]): Step => (model, { producer }) => {
    const used = Math.floor(reserved * part)
    const message = { bytes: contents(used, t), type: t }
    const fits = producer.tryReserve(reserved, t)
    if (!fits || !abort) {
      expect(fits).toBe(model.put(message, reserved))
      if (!fits) return
      producer.bytes.set(message.bytes, producer.offset)
      producer.commit(used)
    } else {
      producer.abort()
    }
  })

const peek = fc.boolean().map((release): Step => (model, { consumer }) => {
  const found = consumer.peek()
  expect(found).toBe(model.visible === 0 ? -1 : model.messages[0]?.bytes.length)
  if (found < 0 || !release) return
  const bytes = Buffer.from(consumer.bytes.subarray(consumer.offset, consumer.offset + found))
  check(model.take(), bytes, consumer.type)
  consumer.release()
})

const claimAgain = fc.constantFrom('producer', 'consumer').map((role): Step => (model, real) => {
  if (role === 'producer') {
    real.producer.abandon()
    real.producer = real.ring.producer()
    model.corked = 0
    model.visible = model.messages.length
  } else {
    real.consumer.abandon()
    real.consumer = real.ring.consumer()
  }
})

const copyingSteps = [
  { weight: 10, arbitrary: write },
  { weight: 8, arbitrary: read },
  { weight: 2, arbitrary: drain },
  { weight: 1, arbitrary: cork },
  { weight: 2, arbitrary: uncork },
  { weight: 1, arbitrary: claimAgain },
]
const steps = zeroCopy
  ? [...copyingSteps, { weight: 5, arbitrary: reserve }, { weight: 5, arbitrary: peek }]
  : copyingSteps

const runs = stress({ short: 300, full: 300, long: 20_000 })

describe('a ring is a queue', () => {
  test('whatever is done to it, wherever its positions begin', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(...steps), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0, 8, 4088, 2 ** 31 - 64, 2 ** 32 - 8, 2 ** 32 - 4096, 2 ** 32 - 1000),
        (sequence, position) => {
          const ring = namedRing(4096)
          try {
            setPositions(ring, position)
            const real = { ring, producer: ring.producer(), consumer: ring.consumer() }
            const model = new Model(4096, position)
            for (const step of sequence) step(model, real)
            while (model.corked-- > 0) real.producer.uncork()
            real.producer.uncork()
            for (const message of model.messages) {
              const bytes = real.consumer.tryRead()
              check(message, bytes, real.consumer.type)
            }
            expect(real.consumer.tryRead()).toBeUndefined()
            expect(ring.stats().used).toBe(0)
          } finally {
            ring.close()
            ring.unlink()
          }
        },
      ),
      { numRuns: runs },
    )
  })
})
