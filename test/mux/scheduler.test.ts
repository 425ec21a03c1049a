import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { quantum, Schedulable, Scheduler, weights, type Priority } from '../../lib/mux/scheduler.js'

class Stream extends Schedulable {
  sent = 0

  constructor(
    readonly priority: Priority,
    readonly name = '',
  ) {
    super()
  }
}

function schedulerOf(streams: readonly Stream[]): Scheduler<Stream> {
  const scheduler = new Scheduler<Stream>()
  for (const stream of streams) scheduler.add(stream)
  return scheduler
}

/** Lets so many frames be sent, each as long as `lengthOf` says, and counts each stream's bytes. */
function send(
  scheduler: Scheduler<Stream>,
  frames: number,
  lengthOf: (stream: Stream) => number = () => quantum,
): string[] {
  const order: string[] = []
  for (let i = 0; i < frames; i++) {
    const stream = scheduler.choose()
    if (stream === undefined) break
    const length = lengthOf(stream)
    stream.sent += length
    scheduler.charge(stream, length)
    order.push(stream.name)
  }
  return order
}

const priorities = [0, 1, 2, 3] as const

describe('the scheduler', () => {
  test('chooses nobody when nobody has anything to send', () => {
    const scheduler = new Scheduler<Stream>()
    expect(scheduler.choose()).toBeUndefined()
    const stream = new Stream(1)
    scheduler.add(stream)
    scheduler.remove(stream)
    expect(scheduler.choose()).toBeUndefined()
    expect(scheduler.size).toBe(0)
  })

  test('lets streams of one priority send in turn, one frame each', () => {
    const streams = ['a', 'b', 'c'].map((name) => new Stream(2, name))
    expect(send(schedulerOf(streams), 7)).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a'])
  })

  test('puts a stream that comes anew behind the others', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new Stream(2, name))
    const scheduler = schedulerOf([a, b])
    send(scheduler, 1)
    scheduler.add(c)
    expect(send(scheduler, 3)).toEqual(['b', 'a', 'c'])
  })

  test('gives each priority its weight', () => {
    const streams = priorities.map((priority) => new Stream(priority))
    const rounds = 100
    send(schedulerOf(streams), rounds * weights.reduce((sum, weight) => sum + weight, 0))
    expect(streams.map(({ sent }) => sent / quantum / rounds)).toEqual([...weights])
  })

  test('gives one urgent stream its weight beside a hundred others, all of which get something', () => {
    const urgent = new Stream(0)
    const others = Array.from({ length: 100 }, () => new Stream(1))
    send(schedulerOf([urgent, ...others]), 24 * 100)
    expect(urgent.sent).toBe(16 * 100 * quantum)
    for (const { sent } of others) expect(sent).toBe(8 * quantum)
  })

  test('takes back from the next rounds what a long frame has taken too much', () => {
    const [long, short] = [new Stream(3), new Stream(3)]
    const other = new Stream(2)
    const scheduler = schedulerOf([long, short, other])
    send(scheduler, 3000, (stream) => (stream === long ? 4 * quantum : quantum))
    const ratio = other.sent / (long.sent + short.sent)
    expect(ratio).toBeGreaterThan(1.9)
    expect(ratio).toBeLessThan(2.1)
  })

  test('saves nothing for a priority that has nothing to send', () => {
    const [urgent, other] = [new Stream(0), new Stream(1)]
    const scheduler = schedulerOf([other])
    send(scheduler, 1000)
    other.sent = 0
    scheduler.add(urgent)
    send(scheduler, 24 * 10)
    expect(urgent.sent / other.sent).toBeCloseTo(2, 1)
  })

  test('has each stream once, however often it is added and removed', () => {
    const stream = new Stream(1, 'a')
    const scheduler = schedulerOf([stream, stream])
    expect(scheduler.size).toBe(1)
    scheduler.remove(stream)
    scheduler.remove(stream)
    expect(scheduler.size).toBe(0)
    expect(scheduler.has(stream)).toBe(false)
  })
})

/** The same by the simplest means: lists, and a walk over the priorities. */
class Model {
  readonly #lists: Stream[][] = [[], [], [], []]
  readonly #accounts = [0, 0, 0, 0]
  #current = 0

  add(stream: Stream): void {
    const list = this.#lists[stream.priority]
    if (!list.includes(stream)) list.push(stream)
  }

  remove(stream: Stream): void {
    const list = this.#lists[stream.priority]
    const index = list.indexOf(stream)
    if (index < 0) return
    list.splice(index, 1)
    if (list.length === 0 && this.#accounts[stream.priority] > 0)
      this.#accounts[stream.priority] = 0
  }

  choose(): Stream | undefined {
    if (this.#lists.every((list) => list.length === 0)) return undefined
    while (this.#lists[this.#current].length === 0 || this.#accounts[this.#current] <= 0) {
      this.#current = (this.#current + 1) % 4
      if (this.#lists[this.#current].length > 0) {
        this.#accounts[this.#current] += [16, 8, 2, 1][this.#current] * 16_384
      }
    }
    return this.#lists[this.#current][0]
  }

  charge(stream: Stream, bytes: number): void {
    this.#accounts[stream.priority] -= bytes
    const list = this.#lists[stream.priority]
    if (list[0] === stream) list.push(...list.splice(0, 1))
  }
}

const step = fc.oneof(
  fc.record({ what: fc.constant('add' as const), which: fc.nat(11) }),
  fc.record({ what: fc.constant('remove' as const), which: fc.nat(11) }),
  fc.record({ what: fc.constant('send' as const), length: fc.integer({ min: 1, max: 262_144 }) }),
)

test('the scheduler does what the model does, whatever comes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const streams = Array.from({ length: 12 }, (_, i) => new Stream(priorities[i % 4], String(i)))
      const scheduler = new Scheduler<Stream>()
      const model = new Model()
      for (const each of steps) {
        if (each.what === 'send') {
          const stream = scheduler.choose()
          expect(stream).toBe(model.choose())
          if (stream === undefined) continue
          scheduler.charge(stream, each.length)
          model.charge(stream, each.length)
        } else {
          scheduler[each.what](streams[each.which])
          model[each.what](streams[each.which])
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('nobody waits for more than a round', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }), (given) => {
      const streams = given.map((priority, i) => new Stream(priority as Priority, String(i)))
      // In a round each priority sends at most its weight in frames; its streams take turns in that.
      const rounds = Math.max(
        ...priorities.map((one) => {
          const count = streams.filter(({ priority }) => priority === one).length
          return Math.ceil(count / weights[one])
        }),
      )
      send(schedulerOf(streams), (rounds + 1) * 27)
      for (const { sent } of streams) expect(sent).toBeGreaterThan(0)
    }),
  )
})
