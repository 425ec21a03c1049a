/** Flow control against the sums that it promises, over random sequences of what two peers do. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { FlowLimits } from '../../lib/mux/flow_limits.js'
import { ReceiveFlow, ReceiveHalf } from '../../lib/mux/receive_flow.js'
import { SendFlow, SendHalf } from '../../lib/mux/send_flow.js'
import { ReceiveState } from '../../lib/mux/stream_states.js'
import { Peers, type Stream } from '../support/mux_peers.js'
import { replayed } from '../support/replay.js'
import { sluiceError } from '../support/rings.js'
import { stress } from '../support/stress.js'

const corrupt = sluiceError('ERR_SLUICE_CORRUPT')
const MiB = 1024 * 1024

const limits: fc.Arbitrary<FlowLimits> = fc
  .record({
    guarantee: fc.oneof(
      fc.integer({ min: 1, max: 8 }),
      fc.constantFrom(4095, 4096, 65_535, 65_536),
    ),
    pool: fc.oneof(fc.nat(16), fc.constantFrom(65_535, 65_536, 65_537, 32 * MiB)),
    // Also wider than the pool has for one stream.
    wider: fc.oneof(fc.nat(3), fc.constantFrom(65_536, 16 * MiB)),
    slots: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ guarantee, pool, wider, slots }) => {
    const window = Math.min(guarantee + Math.min(Math.floor(pool / 2), wider), 16 * MiB)
    return { guarantee, pool, window, slots }
  })

/** A start from which offsets pass 2^32 soon, or the one that is used. */
const start = fc.constantFrom(0, 2 ** 31 - 2, 2 ** 32 - 1, 2 ** 32 - 3, 2 ** 32 - 70_000)

type Size = (limits: FlowLimits) => number
const size: fc.Arbitrary<Size> = fc.oneof(
  fc.nat(10).map((bytes) => () => bytes),
  fc.constantFrom(65_535, 65_536).map((bytes) => () => bytes),
  fc.integer({ min: -1, max: 1 }).map(
    (more) =>
      ({ window }: FlowLimits) =>
        window + more,
  ),
  fc.integer({ min: -1, max: 1 }).map(
    (more) =>
      ({ guarantee }: FlowLimits) =>
        guarantee + more,
  ),
)

type Step = (peers: Peers) => void

const side = fc.constantFrom(0 as const, 1 as const)

function onStream(
  act: (peers: Peers, side: 0 | 1, stream: Stream, bytes: number) => void,
): fc.Arbitrary<Step> {
  return fc.tuple(side, fc.nat(7), size).map(([from, index, bytes]) => (peers) => {
    const peer = peers.both[from]
    const stream = [...peer.streams].at(index % Math.max(1, peer.streams.size))
    if (stream !== undefined) act(peers, from, stream, bytes(peer.sendFlow.limits))
  })
}

const open = fc.tuple(side, fc.boolean(), size).map(([from, twoWay, bytes]): Step => (peers) => {
  const peer = peers.both[from]
  peer.open(twoWay, bytes(peer.sendFlow.limits))
})

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: open },
  {
    weight: 6,
    arbitrary: onStream((peers, from, stream, bytes) => {
      peers.both[from].write(stream, bytes)
      peers.both[from].send(stream)
    }),
  },
  {
    weight: 3,
    arbitrary: onStream((peers, from, stream) => {
      peers.both[from].send(stream)
    }),
  },
  {
    weight: 5,
    arbitrary: onStream((peers, from, stream, bytes) => {
      peers.both[from].read(stream, bytes)
    }),
  },
  {
    weight: 1,
    arbitrary: onStream((peers, from, stream) => {
      peers.both[from].end(stream)
    }),
  },
  {
    weight: 1,
    arbitrary: onStream((peers, from, stream) => {
      peers.both[from].reset(stream)
    }),
  },
  {
    weight: 1,
    arbitrary: onStream((peers, from, stream) => {
      peers.both[from].destroy(stream)
    }),
  },
  {
    weight: 3,
    arbitrary: side.map((from): Step => (peers) => {
      peers.both[from].settle()
    }),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(side, fc.integer({ min: 1, max: 4 })).map(([from, count]): Step => {
      return (peers) => {
        peers.deliver(from, count)
      }
    }),
  },
)

describe('two peers whose frames are delayed', () => {
  test('agree on all sums after each step, keep their bounds, and end with nothing left', () => {
    fc.assert(
      fc.property(
        limits,
        limits,
        start,
        fc.constantFrom(1, 16, 65_536, 16 * MiB),
        fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }),
        (one, other, offset, largestFrame, steps) => {
          // Frames of one byte would take for ever to carry megabytes.
          const largest = Math.max(largestFrame, one.window / 32, other.window / 32)
          const peers = new Peers(one, other, offset, Math.ceil(largest))
          for (const act of steps) {
            act(peers)
            peers.check()
          }
          peers.finish()
          for (const peer of peers.both) {
            expect(peer.wire).toEqual([])
            expect(peer.streams.size).toBe(0)
            expect([peer.own.count, peer.peers.count]).toEqual([0, 0])
            expect([peer.sendFlow.pool.used, peer.receiveFlow.pool.used]).toEqual([0, 0])
          }
        },
      ),
      replayed(stress({ short: 300, full: 2000, long: 200_000 })),
    )
  })
})

describe('a sender', () => {
  test('may send what sending byte by byte would come to', () => {
    const [most, few] = [fc.nat(40), fc.integer({ min: 1, max: 12 })]
    const property = fc.property(few, most, most, fc.array(most), (guarantee, pool, more, sent) => {
      const flow = new SendFlow({ guarantee, pool, window: guarantee + more, slots: 99 })
      for (const bytes of sent) {
        const half = new SendHalf(flow)
        half.open()
        half.send(Math.min(bytes, half.allowance))
      }
      const half = new SendHalf(flow)
      half.open()
      const { allowance } = half
      let bytes = 0
      for (; half.outstanding < guarantee + more; bytes++) {
        const excess = Math.max(0, half.outstanding - guarantee)
        const isGuaranteed = half.outstanding < guarantee
        if (!isGuaranteed && excess >= flow.pool.free) break
        half.send(1)
      }
      expect(bytes).toBe(allowance)
    })
    fc.assert(property, replayed(1000))
  })

  test('that is alone has its whole window at once', () => {
    const flow = new SendFlow({ guarantee: 32_768, pool: 32 * MiB, window: 8 * MiB, slots: 1024 })
    const half = new SendHalf(flow)
    half.open()
    expect(half.allowance).toBe(8 * MiB)
  })

  test('has its guarantee on each stream when all readers are stuck, and the pool is never empty', () => {
    const flow = new SendFlow({ guarantee: 4, pool: 1000, window: 504, slots: 99 })
    for (let count = 0; count < 8; count++) {
      const half = new SendHalf(flow)
      half.open()
      expect(half.allowance).toBeGreaterThan(4)
      half.send(half.allowance)
      expect(half.allowance).toBe(0)
    }
    for (let count = 0; count < 80; count++) {
      const half = new SendHalf(flow)
      half.open()
      expect(half.allowance).toBeGreaterThanOrEqual(4)
      half.send(half.allowance)
    }
    expect(flow.pool.free).toBe(0)
  })

  test.each([
    ['more than was sent', 4],
    ['less than before', 1],
    ['less than before, by nearly 2^32', 2 ** 32 - 1],
  ])('refuses credit for %s', (_, offset) => {
    const half = new SendHalf(new SendFlow({ guarantee: 8, pool: 0, window: 8, slots: 1 }))
    half.open()
    half.send(3)
    expect(half.credit(2)).toBe(2)
    expect(() => half.credit(offset)).toThrow(corrupt)
  })

  test('refuses DONE before everything was consumed', () => {
    const half = new SendHalf(new SendFlow({ guarantee: 8, pool: 0, window: 8, slots: 1 }))
    half.open()
    half.send(3, true)
    expect(() => half.done(2)).toThrow(corrupt)
  })

  test('keeps the account of a stream that was stopped until it is done', () => {
    const flow = new SendFlow({ guarantee: 1, pool: 4, window: 3, slots: 2 })
    const half = new SendHalf(flow)
    half.open()
    half.send(3)
    half.stop()
    expect(half.allowance).toBe(0)
    expect(half.reset()).toBe(3)
    expect(flow.pool.used).toBe(2)
    half.done(3)
    expect(flow.pool.used).toBe(0)
  })
})

describe('a receiver', () => {
  const flow = (limits: Partial<FlowLimits>) =>
    new ReceiveFlow<undefined>({ guarantee: 1, pool: 0, window: 1, slots: 9, ...limits })

  function opened(of: ReceiveFlow<undefined>, offset = 0): ReceiveHalf<undefined> {
    const half = new ReceiveHalf(of, undefined)
    half.open(offset)
    return half
  }

  test('finds a hostile sender at the first byte too many', () => {
    const arrival = fc.record({ stream: fc.nat(2), bytes: fc.nat(12), read: fc.nat(6) })
    const property = fc.property(limits, start, fc.array(arrival), (limits, offset, arrivals) => {
      const receiver = flow(limits)
      const halves = [0, 1, 2].map(() => opened(receiver, offset))
      const received = [offset, offset, offset]
      const excess = (half: ReceiveHalf<undefined>, more: number) =>
        Math.max(0, half.outstanding + more - limits.guarantee)
      for (const { stream, bytes, read } of arrivals) {
        const half = halves[stream]
        const beyond = excess(half, bytes) - excess(half, 0)
        const isHonest =
          half.outstanding + bytes <= limits.window && receiver.pool.used + beyond <= limits.pool
        const arrive = () => {
          half.arrive(received[stream] % 2 ** 32, bytes)
        }
        if (!isHonest) {
          expect(arrive).toThrow(corrupt)
          continue // nothing of it was counted
        }
        arrive()
        received[stream] += bytes
        half.release(Math.min(read, half.unread))
        if (read % 2 === 0) half.takeCredit()
        expect(receiver.pool.used).toBe(halves.reduce((sum, each) => sum + excess(each, 0), 0))
      }
    })
    fc.assert(property, replayed(1000))
  })

  test('checks the window and the pool to the byte', () => {
    const receiver = flow({ guarantee: 10, window: 30, pool: 25 })
    const [one, other] = [opened(receiver), opened(receiver)]
    expect(() => {
      one.arrive(0, 31)
    }).toThrow(corrupt)
    one.arrive(0, 30)
    other.arrive(0, 15)
    expect(() => {
      other.arrive(15, 1)
    }).toThrow(corrupt)
  })

  test('notices a frame that is missing', () => {
    const half = opened(flow({ guarantee: 10, window: 10 }), 2 ** 32 - 2)
    half.arrive(2 ** 32 - 2, 4)
    expect(() => {
      half.arrive(3, 1)
    }).toThrow(corrupt)
    half.arrive(2, 1)
    expect(() => {
      half.reset(4)
    }).toThrow(corrupt)
    half.reset(3)
    expect(half.takeCredit()).toBe(3)
  })

  test.each([
    // guarantee, received, then read: too little for credit, and just enough
    [1, 1, 0, 1],
    [8, 8, 3, 4],
    [8, 100, 49, 50],
    [8, 1 * MiB, 65_535, 65_536],
    [262_144, 1 * MiB, 131_071, 131_072],
  ])('with a guarantee of %d gives credit for %d bytes after more than %d', (...args) => {
    const [guarantee, received, tooFew, enough] = args
    const receiver = flow({ guarantee, window: received, pool: received })
    const half = opened(receiver)
    half.arrive(0, received)
    half.release(tooFew)
    expect(receiver.owing.take()).toBeUndefined()
    expect(half.takeCredit()).toBe(-1)
    half.release(enough - tooFew)
    expect(receiver.owing.take()).toBe(half)
    expect(half.takeCredit()).toBe(enough)
    expect(half.takeCredit()).toBe(-1)
  })

  const full = { guarantee: 4, window: 20, pool: 16 }

  test.each<[string, (half: ReceiveHalf<undefined>) => void]>([
    [
      'is read',
      (half) => {
        half.arrive(20, 0, true)
        half.release(20)
      },
    ],
    [
      'is read before its end',
      (half) => {
        half.release(20)
        half.arrive(20, 0, true)
      },
    ],
    [
      'is reset',
      (half) => {
        half.reset(20)
      },
    ],
    [
      'is reset in the middle of being read',
      (half) => {
        half.release(1)
        half.reset(20)
      },
    ],
    [
      'is given up after its end',
      (half) => {
        half.arrive(20, 0, true)
        half.discard()
      },
    ],
    [
      'is given up and reset',
      (half) => {
        half.discard()
        half.reset(20)
      },
    ],
    [
      'is given up, and more comes with its end',
      (half) => {
        half.discard()
        half.takeCredit()
        half.arrive(20, 7)
        half.arrive(27, 1, true)
      },
    ],
  ])('returns the whole account of a stream that %s', (_, end) => {
    const receiver = flow(full)
    const half = opened(receiver)
    half.arrive(0, 20)
    expect(receiver.pool.used).toBe(16)
    end(half)
    expect(receiver.owing.take()).toBe(half)
    expect(half.takeStop()).toBe(false)
    expect(half.takeCredit()).toBeGreaterThanOrEqual(20)
    expect(half.state).toBe(ReceiveState.free)
    expect(receiver.pool.used).toBe(0)
    expect(receiver.owing.take()).toBeUndefined()
  })

  test('that gives up sends one STOP, and credit for what it has and what still comes', () => {
    const receiver = flow(full)
    const half = opened(receiver)
    half.arrive(0, 5)
    half.discard()
    half.discard()
    expect(receiver.owing.take()).toBe(half)
    expect([half.takeStop(), half.takeStop()]).toEqual([true, false])
    expect(half.takeCredit()).toBe(5)
    half.arrive(5, 4)
    expect(half.unread).toBe(0)
    expect(half.takeCredit()).toBe(9)
    expect(receiver.owing.take()).toBe(half)
  })

  test('gives credit once for all that was read in a turn, in the order of its streams', () => {
    const receiver = flow(full)
    const [one, other] = [opened(receiver), opened(receiver)]
    for (const half of [one, other]) half.arrive(0, 10)
    other.release(10)
    one.release(5)
    one.release(1)
    expect(receiver.owing.take()).toBe(other)
    expect(receiver.owing.take()).toBe(one)
    expect(receiver.owing.take()).toBeUndefined()
    expect([one.takeCredit(), other.takeCredit()]).toEqual([6, 10])
  })

  test('refuses to release what has not come', () => {
    const half = opened(flow(full))
    half.arrive(0, 5)
    expect(() => {
      half.release(6)
    }).toThrow(sluiceError('ERR_SLUICE_INTERNAL'))
  })
})
