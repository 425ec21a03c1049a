import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'

import { Child } from '../support/child.js'
import { bytes, namedRing, ringWithEnds, sluiceError } from '../support/rings.js'

test('calls the handler for every message, and resolves with their number at the end', async () => {
  const { producer, consumer } = ringWithEnds()
  const seen: string[] = []
  const done = consumer.consume((message) => void seen.push(message.toString()))
  for (let i = 0; i < 1000; i++) await producer.write(bytes(String(i)))
  producer.close()
  expect(await done).toBe(1000)
  expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
  expect(consumer.ended).toBe(true)
})

test('stops after the message for which the handler returns false, and may go on', async () => {
  const { producer, consumer } = ringWithEnds()
  for (const text of 'abcd') producer.tryWrite(bytes(text))
  expect(await consumer.consume((message) => message.toString() !== 'b')).toBe(2)
  producer.close()
  expect(await consumer.consume(() => undefined)).toBe(2)
})

test('rejects with what the handler throws; the message stays', async () => {
  const { producer, consumer } = ringWithEnds()
  producer.tryWrite(bytes('a'))
  const mine = new Error('mine')
  await expect(
    consumer.consume(() => {
      throw mine
    }),
  ).rejects.toBe(mine)
  expect(consumer.tryRead()?.toString()).toBe('a')
})

test.each([0, 50, 100_000])('works with spin %i', async (spin) => {
  const { producer, consumer } = ringWithEnds()
  let answer: () => void = () => undefined
  const done = consumer.consume(
    () => {
      answer()
    },
    { spin },
  )
  for (let i = 0; i < 100; i++) {
    const answered = new Promise<void>((resolve) => (answer = resolve))
    producer.tryWrite(bytes('ping'))
    await answered
  }
  producer.close()
  expect(await done).toBe(100)
})

describe('fairness', () => {
  test('at most `burst` messages are handled in one turn of the loop', async () => {
    const { producer, consumer } = ringWithEnds(65536)
    while (producer.tryWrite(Buffer.alloc(8)));
    producer.close()
    let inThisTurn = 0
    let largest = 0
    let turns = 0
    let running = true
    const turn = () => {
      turns++
      inThisTurn = 0
      if (running) setImmediate(turn)
    }
    setImmediate(turn)
    const count = await consumer.consume(
      () => {
        largest = Math.max(largest, ++inThisTurn)
      },
      { burst: 16 },
    )
    running = false
    expect(largest).toBeLessThanOrEqual(16)
    expect(count).toBe(4095)
    expect(turns).toBeGreaterThanOrEqual(count / 16 - 1)
  })

  test('timers and immediates have their turn while a producer is at full speed', async () => {
    const ring = namedRing(2 ** 20)
    const child = new Child('flood.mjs', [ring.name])
    let messages = 0
    let timers = 0
    let immediates = 0
    const controller = new AbortController()
    const tick = () => {
      timers++
      if (timers === 20) controller.abort('enough')
      else setTimeout(tick, 1)
    }
    const count = () => {
      immediates++
      if (!controller.signal.aborted) setImmediate(count)
    }
    const handler = () => {
      if (messages++ > 0) return
      setTimeout(tick, 1)
      setImmediate(count)
    }
    const consumed = ring.consumer().consume(handler, { signal: controller.signal })
    await expect(consumed).rejects.toBe('enough')
    expect(timers).toBe(20)
    // A turn of the loop runs what timers are due, then the immediates.
    expect(immediates).toBeGreaterThanOrEqual(19)
    expect(messages).toBeGreaterThan(0)
    child.kill('SIGKILL')
  })
})

describe('cancelling', () => {
  test('rejects with the reason of the signal, and takes its listener away', async () => {
    const { consumer, producer } = ringWithEnds()
    const controller = new AbortController()
    const done = consumer.consume(() => undefined, { signal: controller.signal })
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort('reason')
    await expect(done).rejects.toBe('reason')
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    producer.tryWrite(bytes('a'))
    expect((await consumer.read())?.toString()).toBe('a')
  })

  test('a signal that has aborted lets it not begin', async () => {
    const { consumer } = ringWithEnds()
    await expect(
      consumer.consume(() => undefined, { signal: AbortSignal.abort('no') }),
    ).rejects.toBe('no')
  })

  test('the handler is not called again after it has aborted the signal', async () => {
    const { producer, consumer } = ringWithEnds()
    for (let i = 0; i < 100; i++) producer.tryWrite(bytes(String(i)))
    const controller = new AbortController()
    let calls = 0
    const done = consumer.consume(
      () => {
        if (++calls === 30) controller.abort('enough')
      },
      { signal: controller.signal },
    )
    await expect(done).rejects.toBe('enough')
    expect(calls).toBe(30)
    expect(consumer.tryRead()?.toString()).toBe('30')
  })

  test('every kind of end takes the listener away', async () => {
    const { signal } = new AbortController()
    const ended = ringWithEnds()
    const end = ended.consumer.consume(() => undefined, { signal })
    ended.producer.close()
    await end
    const thrown = ringWithEnds()
    thrown.producer.tryWrite(bytes('x'))
    await expect(
      thrown.consumer.consume(
        () => {
          throw new Error('x')
        },
        { signal },
      ),
    ).rejects.toThrow('x')
    const closed = ringWithEnds()
    const close = closed.consumer.consume(() => undefined, { signal })
    closed.consumer.close()
    await expect(close).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

test.each(['consumer', 'ring'] as const)('closing the %s rejects it', async (what) => {
  const ends = ringWithEnds()
  const done = ends.consumer.consume(() => undefined)
  ends[what].close()
  await expect(done).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

test('the handler may close the consumer', async () => {
  const { producer, consumer } = ringWithEnds()
  producer.tryWrite(bytes('a'))
  producer.tryWrite(bytes('b'))
  let calls = 0
  const done = consumer.consume(() => {
    calls++
    consumer.close()
  })
  await expect(done).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  expect(calls).toBe(1)
})

test('one at a time, and not while reads wait', async () => {
  const { producer, consumer } = ringWithEnds()
  const state = sluiceError('ERR_SLUICE_INVALID_STATE')
  const done = consumer.consume(() => undefined)
  await expect(consumer.consume(() => undefined)).rejects.toThrow(state)
  await expect(consumer.read()).rejects.toThrow(state)
  expect(() => consumer.waitSync()).toThrow(state)
  producer.close()
  await done
  const other = ringWithEnds()
  const read = other.consumer.read()
  await expect(other.consumer.consume(() => undefined)).rejects.toThrow(state)
  other.producer.close()
  await read
})

test('a producer that gives its role up is a dead one; its successor can be consumed', async () => {
  const { ring, producer, consumer } = ringWithEnds()
  const seen: string[] = []
  const handler = (message: Buffer) => void seen.push(message.toString())
  const done = consumer.consume(handler)
  producer.tryWrite(bytes('a'))
  producer.abandon()
  await expect(done).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_DIED', { pid: process.pid }))
  const next = ring.producer()
  next.tryWrite(bytes('b'))
  next.close()
  expect(await consumer.consume(handler)).toBe(1)
  expect(seen).toEqual(['a', 'b'])
})
