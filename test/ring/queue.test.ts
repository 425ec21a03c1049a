import { describe, expect, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { skipAllIf } from '../support/platform.js'
import {
  attempt,
  bytes,
  closedAfterTest,
  namedRing,
  noViews,
  ringWithEnds,
  setPositions,
  sluiceError,
  zeroCopy,
} from '../support/rings.js'

function fill(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i + seed) & 0xff))
}

describe('tryWrite and tryRead', () => {
  test('messages come out as they went in, in order, with their types', () => {
    const { producer, consumer } = ringWithEnds()
    for (let i = 0; i < 10; i++) expect(producer.tryWrite(fill(i * 10, i), i)).toBe(true)
    for (let i = 0; i < 10; i++) {
      expect(consumer.tryRead()).toEqual(fill(i * 10, i))
      expect(consumer.type).toBe(i)
    }
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('a message may be empty', () => {
    const { producer, consumer } = ringWithEnds()
    producer.tryWrite(new Uint8Array(0), 3)
    expect(consumer.tryRead()).toEqual(Buffer.alloc(0))
    expect(consumer.type).toBe(3)
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('a message may be half the ring less two headers, not longer', () => {
    const { ring, producer, consumer } = ringWithEnds()
    expect(ring.maxMessageLength).toBe(2032)
    const longest = fill(2032, 1)
    for (let i = 0; i < 10; i++) {
      expect(producer.tryWrite(longest)).toBe(true)
      expect(consumer.tryRead()?.equals(longest)).toBe(true)
    }
    const tooLong = sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG')
    expect(() => producer.tryWrite(fill(2033, 1))).toThrow(tooLong)
    expect(() => producer.write(fill(2033, 1))).toThrow(tooLong)
  })

  test.each([0, 1, 2 ** 31 - 1])('a type may be %i', (type) => {
    const { producer, consumer } = ringWithEnds()
    producer.tryWrite(bytes('x'), type)
    consumer.tryRead()
    expect(consumer.type).toBe(type)
  })

  test('a full ring takes no more until something is read', () => {
    const { ring, producer, consumer } = ringWithEnds()
    let written = 0
    while (producer.tryWrite(fill(56, written))) written++
    // Behind the last message there is room for the word that says that nothing follows.
    expect(written).toBe(4096 / 64 - 1)
    expect(ring.stats().used).toBe(4096 - 64)
    expect(consumer.tryRead()).toEqual(fill(56, 0))
    expect(producer.tryWrite(fill(56, written))).toBe(true)
    expect(producer.tryWrite(fill(56, 0))).toBe(false)
    for (let i = 1; i <= written; i++) expect(consumer.tryRead()).toEqual(fill(56, i))
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('a record never wraps: what does not fit at the end begins anew', () => {
    const { producer, consumer } = ringWithEnds()
    for (let round = 0; round < 50; round++) {
      for (const length of [1500, 700 + round, 900]) {
        expect(producer.tryWrite(fill(length, round))).toBe(true)
        expect(consumer.tryRead()?.equals(fill(length, round))).toBe(true)
      }
    }
  })

  test.each([2 ** 32 - 4096, 2 ** 32 - 8, 2 ** 31 - 8, 2 ** 32 - 2048])(
    'positions wrap at 2^32: begun at %i',
    (position) => {
      const ring = namedRing()
      setPositions(ring, position)
      const producer = ring.producer()
      const consumer = ring.consumer()
      for (let i = 0; i < 300; i++) {
        const length = (i * 37) % 1000
        expect(producer.tryWrite(fill(length, i), i)).toBe(true)
        if (i % 3 === 2) {
          for (const j of [i - 2, i - 1, i]) {
            expect(consumer.tryRead()?.equals(fill((j * 37) % 1000, j))).toBe(true)
          }
        }
      }
      expect(ring.stats().used).toBe(0)
    },
  )

  test('what is read is a copy that stays', () => {
    const { producer, consumer } = ringWithEnds()
    producer.tryWrite(bytes('first'))
    const first = consumer.tryRead()
    for (let i = 0; i < 500; i++) {
      producer.tryWrite(fill(56, i))
      consumer.tryRead()
    }
    expect(first?.toString()).toBe('first')
  })

  test('views of other buffers are written as their bytes', () => {
    const { producer, consumer } = ringWithEnds()
    producer.tryWrite(new Uint8Array(new Float64Array([1.5]).buffer, 2, 5))
    expect(consumer.tryRead()).toEqual(Buffer.from(new Float64Array([1.5]).buffer).subarray(2, 7))
  })
})

describe('cork', () => {
  test('the peer sees nothing before uncork, then all at once', () => {
    const { ring, producer, consumer } = ringWithEnds()
    producer.cork()
    for (let i = 0; i < 5; i++) producer.tryWrite(bytes(String(i)))
    expect(consumer.tryRead()).toBeUndefined()
    expect(ring.stats()).toMatchObject({ used: 0, producer: { messages: 0 } })
    producer.uncork()
    expect(ring.stats()).toMatchObject({ used: 80, producer: { messages: 5 } })
    const seen: string[] = []
    consumer.drain((message) => void seen.push(message.toString()))
    expect(seen).toEqual(['0', '1', '2', '3', '4'])
  })

  test('a full ring publishes what is corked, or the room would never come', () => {
    const { producer, consumer } = ringWithEnds()
    producer.cork()
    let written = 0
    while (producer.tryWrite(fill(120, written))) written++
    for (let i = 0; i < written; i++) expect(consumer.tryRead()).toEqual(fill(120, i))
  })

  test.each([
    ['write', async (p: Ends) => p.producer.write(fill(2000, 0))],
    ['ready', async (p: Ends) => p.producer.ready(2000)],
  ])('%s publishes what is corked before it waits', async (_, wait) => {
    const ends = ringWithEnds()
    ends.producer.cork()
    ends.producer.tryWrite(fill(2000, 1))
    ends.producer.tryWrite(fill(1000, 2))
    const waiting = wait(ends)
    expect(ends.consumer.tryRead()).toEqual(fill(2000, 1))
    expect(ends.consumer.tryRead()).toEqual(fill(1000, 2))
    await waiting
  })

  test('corks nest: the last of as many calls of uncork publishes', () => {
    const { ring, producer, consumer } = ringWithEnds()
    producer.cork()
    producer.tryWrite(bytes('outer'))
    producer.cork()
    producer.tryWrite(bytes('inner'))
    producer.uncork()
    expect(consumer.tryRead()).toBeUndefined()
    expect(ring.stats().used).toBe(0)
    producer.uncork()
    expect([String(consumer.tryRead()), String(consumer.tryRead())]).toEqual(['outer', 'inner'])
    producer.uncork() // one too many is nothing
    producer.tryWrite(bytes('at once'))
    expect(consumer.tryRead()?.toString()).toBe('at once')
  })

  test('bytes of an earlier lap are never taken for a message', () => {
    const { producer, consumer } = ringWithEnds()
    // Each word of every payload looks like the header of a message.
    const forged = Buffer.alloc(1000)
    for (let at = 0; at < forged.length; at += 4) forged.writeUInt32LE(0x80000000 + 8, at)
    for (let i = 0; i < 2000; i++) {
      const message = forged.subarray(0, (i * 37) % 1000)
      expect(producer.tryWrite(message)).toBe(true)
      expect(consumer.tryRead()?.equals(message)).toBe(true)
      expect(consumer.tryRead()).toBeUndefined()
    }
  })

  test('close publishes what is corked', async () => {
    const { producer, consumer } = ringWithEnds()
    producer.cork()
    producer.tryWrite(bytes('last'))
    producer.close()
    expect((await consumer.read())?.toString()).toBe('last')
    expect(await consumer.read()).toBeUndefined()
  })

  test('abandon publishes what is corked', async () => {
    const { producer, consumer } = ringWithEnds()
    producer.cork()
    producer.tryWrite(bytes('last'))
    producer.abandon()
    expect((await consumer.read())?.toString()).toBe('last')
    await expect(consumer.read()).rejects.toMatchObject({ code: 'ERR_SLUICE_PEER_DIED' })
  })
})

type Ends = ReturnType<typeof ringWithEnds>

describe('reserve, commit, peek and release', () => {
  skipAllIf(!zeroCopy, noViews)

  test('a message is written and read where it lies', () => {
    const { producer, consumer } = ringWithEnds()
    expect(producer.tryReserve(16, 5)).toBe(true)
    expect(producer.offset % 8).toBe(0)
    producer.view.setFloat64(producer.offset, 1.25, true)
    producer.bytes.write('written!', producer.offset + 8)
    expect(consumer.peek()).toBe(-1)
    producer.commit()
    expect(consumer.peek()).toBe(16)
    expect(consumer.type).toBe(5)
    expect(consumer.offset % 8).toBe(0)
    expect(consumer.view.getFloat64(consumer.offset, true)).toBe(1.25)
    expect(consumer.bytes.toString('latin1', consumer.offset + 8, consumer.offset + 16)).toBe(
      'written!',
    )
    consumer.release()
    expect(consumer.peek()).toBe(-1)
  })

  test('peeking again gives the same message', () => {
    const { producer, consumer } = ringWithEnds()
    producer.tryWrite(bytes('a'))
    producer.tryWrite(bytes('bc'))
    expect([consumer.peek(), consumer.peek()]).toEqual([1, 1])
    consumer.release()
    expect(consumer.peek()).toBe(2)
    expect(consumer.tryRead()?.toString()).toBe('bc')
  })

  test('commit may shrink what was reserved, also to nothing', () => {
    const { producer, consumer } = ringWithEnds()
    for (const [reserved, committed] of [
      [2000, 3],
      [100, 100],
      [100, 0],
    ] as const) {
      producer.tryReserve(reserved)
      producer.bytes.fill(7, producer.offset, producer.offset + reserved)
      producer.commit(committed)
      expect(consumer.tryRead()).toEqual(Buffer.alloc(committed, 7))
    }
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('what is corked becomes visible beside a reservation that is open', () => {
    const { producer, consumer } = ringWithEnds()
    producer.cork()
    producer.tryWrite(bytes('corked'))
    producer.tryReserve(100)
    producer.bytes.fill(0xff, producer.offset, producer.offset + 100)
    producer.uncork()
    expect(consumer.tryRead()?.toString()).toBe('corked')
    expect(consumer.tryRead()).toBeUndefined()
    producer.commit(3)
    expect(consumer.tryRead()).toEqual(Buffer.alloc(3, 0xff))
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('abort gives the reservation up', () => {
    const { ring, producer, consumer } = ringWithEnds()
    producer.tryReserve(1000)
    producer.abort()
    producer.abort()
    expect(ring.stats().used).toBe(0)
    expect(producer.tryWrite(bytes('x'))).toBe(true)
    expect(consumer.tryRead()?.toString()).toBe('x')
  })

  test('the longest message fits into an empty ring wherever its position lies', () => {
    const { ring, producer, consumer } = ringWithEnds()
    for (let i = 0; i < 600; i++) {
      producer.tryWrite(fill((i * 8) % 800, i))
      consumer.tryRead()
      expect(producer.tryReserve(ring.maxMessageLength)).toBe(true)
      producer.abort()
    }
  })

  test('calls out of order are errors that change nothing', () => {
    const { producer, consumer } = ringWithEnds()
    const state = sluiceError('ERR_SLUICE_INVALID_STATE')
    expect(() => {
      producer.commit()
    }).toThrow(state)
    producer.tryReserve(8)
    expect(() => producer.tryReserve(8)).toThrow(state)
    expect(() => producer.tryWrite(bytes('x'))).toThrow(state)
    for (const length of [9, -1, 1.5, NaN]) {
      expect(() => {
        producer.commit(length)
      }).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    }
    producer.commit()
    expect(() => {
      producer.commit()
    }).toThrow(state)
    expect(() => {
      consumer.release()
    }).toThrow(state)
    consumer.peek()
    consumer.release()
    expect(() => {
      consumer.release()
    }).toThrow(state)
  })

  test.each([-1, 1.5, NaN, '8', null, undefined, 8n])('a length of %s is refused', (length) => {
    const { producer } = ringWithEnds()
    expect(() => producer.tryReserve(length as number)).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
  })

  test('a length beyond the longest is refused', () => {
    const { producer } = ringWithEnds()
    for (const length of [2033, 2 ** 31, 2 ** 32, Number.MAX_VALUE]) {
      expect(() => producer.tryReserve(length)).toThrow(/ERR_|longer than|must be an integer/)
    }
  })
})

describe('where views of shared memory cannot be had', () => {
  skipAllIf(zeroCopy, 'this run has views of shared memory')

  test('the calls without a copy say so, and the copying ones work', () => {
    const { producer, consumer } = ringWithEnds()
    const unsupported = sluiceError('ERR_SLUICE_UNSUPPORTED')
    expect(() => producer.tryReserve(8)).toThrow(unsupported)
    expect(() => producer.bytes).toThrow(unsupported)
    expect(() => producer.view).toThrow(unsupported)
    expect(() => consumer.peek()).toThrow(unsupported)
    expect(() => consumer.bytes).toThrow(unsupported)
    producer.tryWrite(bytes('x'))
    expect(consumer.tryRead()?.toString()).toBe('x')
  })
})

describe('wrong input', () => {
  const notBytes = [
    undefined,
    null,
    'text',
    5,
    [1, 2],
    new ArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    new Uint16Array(2),
    {},
  ]

  test.each(notBytes)('is refused: %s for bytes', (value) => {
    const { producer } = ringWithEnds()
    const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => producer.tryWrite(value as Uint8Array)).toThrow(invalid)
    expect(() => producer.write(value as Uint8Array)).toThrow(
      /bytes must be a Uint8Array; received/,
    )
    expect(() => {
      producer.writeSync(value as Uint8Array)
    }).toThrow(invalid)
  })

  test('is refused: bytes whose buffer is detached', () => {
    const { producer } = ringWithEnds()
    const gone = new Uint8Array(8)
    structuredClone(gone.buffer, { transfer: [gone.buffer] })
    expect(() => producer.tryWrite(gone)).toThrow(/detached/)
    expect(() => producer.write(gone)).toThrow(/detached/)
  })

  test.each([-1, 1.5, NaN, 2 ** 31, '1', null, 1n, Symbol('type'), {}])(
    'is refused: a type that is %s',
    (type) => {
      const { producer, consumer } = ringWithEnds()
      const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
      expect(() => producer.tryWrite(bytes('x'), type as number)).toThrow(invalid)
      expect(() => producer.write(bytes('x'), { type: type as number })).toThrow(invalid)
      expect(consumer.tryRead()).toBeUndefined()
    },
  )

  test('is refused: handlers, limits and options that are none', () => {
    const { producer, consumer } = ringWithEnds()
    const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    const handler = () => undefined
    expect(() => consumer.drain(undefined as never)).toThrow(invalid)
    for (const limit of [-1, 1.5, NaN, '1', null]) {
      expect(() => consumer.drain(handler, limit as number)).toThrow(invalid)
    }
    expect(() => consumer.consume('x' as never)).toThrow(invalid)
    for (const options of [
      { burst: 0 },
      { burst: 1.5 },
      { spin: -1 },
      { spin: NaN },
      { signal: {} },
      { timeout: 5 },
    ]) {
      expect(() => consumer.consume(handler, options as never)).toThrow(invalid)
    }
    for (const options of [
      { timeout: -1 },
      { timeout: NaN },
      { timeout: '1' },
      { signal: 5 },
      { x: 1 },
    ]) {
      expect(() => consumer.read(options as never)).toThrow(invalid)
      expect(() => producer.write(bytes('x'), options as never)).toThrow(invalid)
      expect(() => producer.ready(1, options as never)).toThrow(invalid)
    }
    expect(() => consumer.waitSync(-1)).toThrow(invalid)
    expect(() => consumer.readSync(NaN)).toThrow(invalid)
    expect(() => producer.waitSync(1, -1)).toThrow(invalid)
    expect(() => producer.ready(-1)).toThrow(invalid)
    expect(() => consumer.createReadStream({ highWaterMark: -1 })).toThrow(invalid)
    expect(() => consumer.createReadStream({ joined: 1 } as never)).toThrow(invalid)
    expect(() => consumer.createReadStream({ objectMode: true } as never)).toThrow(invalid)
    expect(() => producer.createWriteStream({ maxMessageLength: 0 })).toThrow(invalid)
    expect(() => producer.createWriteStream({ maxMessageLength: 5000 })).toThrow(invalid)
    expect(() => producer.createWriteStream({ type: -1 })).toThrow(invalid)
  })
})

describe('after close', () => {
  test('every call says that the end is closed', async () => {
    const { producer, consumer } = ringWithEnds()
    producer.close()
    consumer.close()
    producer.close()
    consumer.close()
    expect([producer.closed, consumer.closed]).toEqual([true, true])
    const closed = sluiceError('ERR_SLUICE_CLOSED')
    const calls: (() => unknown)[] = [
      () => producer.tryWrite(bytes('x')),
      () => producer.write(bytes('x')),
      () => {
        producer.writeSync(bytes('x'))
      },
      () => producer.tryReserve(1),
      () => {
        producer.commit()
      },
      () => {
        producer.abort()
      },
      () => {
        producer.cork()
      },
      () => {
        producer.uncork()
      },
      () => producer.ready(1),
      () => producer.waitSync(1),
      () => producer.createWriteStream(),
      () => consumer.tryRead(),
      () => consumer.read(),
      () => consumer.readSync(),
      () => consumer.waitSync(),
      () => {
        consumer.release()
      },
      () => consumer.drain(() => undefined),
      () => consumer.consume(() => undefined),
      () => consumer.createReadStream(),
      () => consumer[Symbol.asyncIterator]().next(),
      ...(zeroCopy ? [() => consumer.peek()] : []),
    ]
    for (const call of calls) {
      await expect(attempt(call), call.toString()).rejects.toThrow(closed)
    }
  })

  test('views are dead when the ring is closed', () => {
    const ring = Ring.anonymous({ capacity: 4096 })
    const producer = ring.producer()
    const consumer = ring.consumer()
    const dead: (Uint8Array | DataView)[] = []
    if (zeroCopy) dead.push(producer.bytes, consumer.bytes)
    producer.tryWrite(bytes('x'))
    if (zeroCopy) consumer.drain((message) => void dead.push(message))
    ring.close()
    for (const view of dead) expect(view.byteLength).toBe(0)
    const closed = sluiceError('ERR_SLUICE_CLOSED')
    expect(() => producer.bytes).toThrow(closed)
    expect(() => consumer.view).toThrow(closed)
  })
})

test('a ring may be both made and used many times over in one process', () => {
  for (let i = 0; i < 300; i++) {
    const ring = Ring.anonymous({ capacity: 4096 })
    const producer = ring.producer()
    const consumer = ring.consumer()
    producer.tryWrite(bytes('x'))
    expect(consumer.tryRead()).toHaveLength(1)
    ring.close()
  }
  closedAfterTest(Ring.anonymous())
})

describe('bytes that grow while they are copied', () => {
  skipAllIf(!zeroCopy, noViews)

  /** Shared memory that a thread grows from 8 to 1000 bytes between the reservation and the copy. */
  function growing(): Uint8Array {
    const bytes = new Uint8Array(1000)
    let asked = 0
    Object.defineProperty(bytes, 'byteLength', { get: () => (asked++ === 1 ? 8 : 1000) })
    return bytes
  }

  test('fail the write', () => {
    const { producer, consumer } = ringWithEnds(4096)
    producer.tryWrite(bytes('before'))
    expect(() => producer.tryWrite(growing())).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    producer.tryWrite(bytes('after'))
    expect([consumer.tryRead(), consumer.tryRead(), consumer.tryRead()].map(String)).toEqual([
      'before',
      'after',
      'undefined',
    ])
    while (producer.tryWrite(Buffer.alloc(8)));
    consumer.tryRead()
    consumer.tryRead()
    expect(() => producer.tryWrite(growing())).toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  })
})
