import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { bytes, ringWithEnds, sluiceError } from '../support/rings.js'
import { caughtWarnings } from '../support/warnings.js'

const big = Buffer.alloc(1800, 1)

/** Fills the ring so that a write of `big` has to wait. */
function fullRing() {
  const ends = ringWithEnds()
  while (ends.producer.tryWrite(big));
  return ends
}

function drainAll({ consumer }: ReturnType<typeof ringWithEnds>): string[] {
  const texts: string[] = []
  consumer.drain((message) => void texts.push(message.toString()))
  return texts
}

describe('read', () => {
  test('resolves at once with what is there, or later with what comes', async () => {
    const { producer, consumer } = ringWithEnds()
    producer.tryWrite(bytes('a'))
    expect((await consumer.read())?.toString()).toBe('a')
    const later = consumer.read()
    await producer.write(bytes('b'))
    expect((await later)?.toString()).toBe('b')
  })

  test('reads are answered in the order of their calls', async () => {
    const { producer, consumer } = ringWithEnds()
    const reads = Array.from({ length: 50 }, () => consumer.read())
    for (let i = 0; i < 50; i++) await producer.write(bytes(String(i)))
    const texts = (await Promise.all(reads)).map(String)
    expect(texts).toEqual(Array.from({ length: 50 }, (_, i) => String(i)))
  })

  test('while reads wait, tryRead takes nothing from them', async () => {
    const { producer, consumer } = ringWithEnds()
    const read = consumer.read()
    producer.tryWrite(bytes('mine'))
    expect(consumer.tryRead()).toBeUndefined()
    expect((await read)?.toString()).toBe('mine')
  })

  test('is undefined at the end, for all that wait and ever after', async () => {
    const { producer, consumer } = ringWithEnds()
    const reads = [consumer.read(), consumer.read(), consumer.read()]
    producer.tryWrite(bytes('last'))
    producer.close()
    expect((await Promise.all(reads)).map((m) => m?.toString())).toEqual([
      'last',
      undefined,
      undefined,
    ])
    expect(consumer.ended).toBe(true)
    expect(await consumer.read()).toBeUndefined()
    expect(consumer.tryRead()).toBeUndefined()
    expect(consumer.drain(() => undefined)).toBe(0)
    expect(await consumer.consume(() => undefined)).toBe(0)
    expect(consumer.readSync()).toBeUndefined()
    expect(consumer.waitSync()).toBe(true)
  })
})

describe('write', () => {
  test('writes keep their order, also when small ones would fit before large ones', async () => {
    const ends = fullRing()
    const { producer, consumer } = ends
    const texts = ['L'.repeat(2000), 'a', 'M'.repeat(1500), 'b', 'c']
    const writes = texts.map((text) => producer.write(bytes(text)))
    expect(producer.tryWrite(bytes('x'))).toBe(false)
    const seen: string[] = []
    while (seen.length < texts.length) {
      const message = await consumer.read()
      if (!message?.equals(big)) seen.push(String(message))
    }
    expect(seen).toEqual(texts)
    await Promise.all(writes)
  })

  test('resolves when the bytes are in the ring, not when they are read', async () => {
    const { producer, consumer } = ringWithEnds()
    await producer.write(bytes('a'))
    await producer.write(bytes('b'), { type: 9 })
    expect(consumer.tryRead()?.toString()).toBe('a')
    expect(consumer.tryRead()?.toString()).toBe('b')
    expect(consumer.type).toBe(9)
  })

  test('waits for a consumer that has never been there', async () => {
    const ends = fullRing()
    const write = ends.producer.write(big)
    drainAll(ends)
    await write
  })

  test('ready resolves when that much room is there, and takes none', async () => {
    const ends = fullRing()
    const ready = ends.producer.ready(1800)
    drainAll(ends)
    await ready
    expect(ends.producer.tryWrite(big)).toBe(true)
    await ends.producer.ready(0)
  })
})

describe.each(['read', 'write'] as const)('a waiting %s', (what) => {
  function start(options: { signal?: AbortSignal; timeout?: number } = {}) {
    const ends = what === 'read' ? ringWithEnds() : fullRing()
    const begin = (own: typeof options = options) =>
      what === 'read' ? ends.consumer.read(own) : ends.producer.write(big, own)
    const settleAll = () => {
      if (what === 'read') while (ends.producer.tryWrite(bytes('x')));
      else drainAll(ends)
    }
    return { ends, begin, settleAll }
  }

  test('times out', async () => {
    const { begin } = start()
    await expect(begin({ timeout: 1 })).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
    await expect(begin({ timeout: 0 })).rejects.toThrow(/timed out after 0 ms/)
  })

  test('is refused when 1024 already wait', async () => {
    const { ends, begin } = start()
    const waiting = Array.from({ length: 1024 }, () => begin())
    const outcomes = Promise.allSettled(waiting)
    await expect(begin()).rejects.toThrow(sluiceError('ERR_SLUICE_QUEUE_FULL'))
    ends.ring.close()
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_SLUICE_CLOSED' } })
    }
  })

  test('does not begin with a signal that has aborted', async () => {
    const { begin } = start()
    await expect(begin({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    const reason = new Error('mine')
    await expect(begin({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('rejects with whatever the signal gives as its reason', async () => {
    const { begin } = start()
    const controller = new AbortController()
    const waiting = begin({ signal: controller.signal })
    controller.abort('a string')
    await expect(waiting).rejects.toBe('a string')
  })

  test.each([0, 1, 2, 3])(
    'can be cancelled in position %i of four; the others go on',
    async (i) => {
      const { begin, settleAll } = start()
      const controllers = Array.from({ length: 4 }, () => new AbortController())
      const waiting = controllers.map(({ signal }) => begin({ signal, timeout: 60_000 }))
      const outcomes = Promise.allSettled(waiting)
      controllers[i]?.abort()
      await expect(waiting[i]).rejects.toMatchObject({ name: 'AbortError' })
      for (let round = 0; round < 4; round++) {
        settleAll()
        await new Promise(setImmediate)
      }
      const others = waiting.filter((_, j) => j !== i)
      if (what === 'write') {
        // Each round of room lets some in.
        const progress = { done: false }
        void Promise.all(others).then(() => (progress.done = true))
        while (!progress.done) {
          settleAll()
          await new Promise(setImmediate)
        }
      }
      await Promise.all(others)
      expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(1)
    },
  )

  test('leaves neither listeners nor timers, however it ends', async () => {
    // Timers of the operations alone: the test runner has some too.
    const open = new Set<unknown>()
    const { setTimeout: set, clearTimeout: clear } = globalThis
    const setSpy = vi
      .spyOn(globalThis, 'setTimeout')
      .mockImplementation((...args: Parameters<typeof set>) => {
        const timer = set(...args)
        if (args[1] === 60_000) open.add(timer)
        return timer
      })
    const clearSpy = vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
      open.delete(timer)
      clear(timer)
    })
    onTestFinished(() => {
      setSpy.mockRestore()
      clearSpy.mockRestore()
    })
    const { ends, begin, settleAll } = start()
    const controller = new AbortController()
    const { signal } = controller
    const options = { signal, timeout: 60_000 }

    const done = begin(options)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(open.size).toBe(1)
    settleAll()
    await done
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)

    const again = start()
    const timed = again.begin({ signal, timeout: 1 })
    await expect(timed).rejects.toMatchObject({ code: 'ERR_SLUICE_TIMEOUT' })
    const closed = again.begin(options)
    again.ends.ring.close()
    await expect(closed).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)

    const third = start()
    const cancelled = third.begin(options)
    controller.abort()
    await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(open.size).toBe(0)
    ends.ring.close()
  })
})

test('a message that was not read when the read was cancelled is there for the next', async () => {
  const { producer, consumer } = ringWithEnds()
  const controller = new AbortController()
  const read = consumer.read({ signal: controller.signal })
  producer.tryWrite(bytes('kept'))
  controller.abort()
  const [outcome] = await Promise.allSettled([read])
  const next = outcome.status === 'fulfilled' ? outcome.value : await consumer.read()
  expect(next?.toString()).toBe('kept')
})

describe('blocking calls', () => {
  test('return at once what is there', () => {
    const { producer, consumer } = ringWithEnds()
    producer.writeSync(bytes('x'), { type: 4 })
    expect(consumer.waitSync(0)).toBe(true)
    expect(consumer.readSync(0)?.toString()).toBe('x')
    expect(consumer.type).toBe(4)
    expect(producer.waitSync(100, 0)).toBe(true)
  })

  test('time out', () => {
    const { producer, consumer } = fullRing()
    const timeout = sluiceError('ERR_SLUICE_TIMEOUT')
    expect(() => {
      producer.writeSync(big, { timeout: 5 })
    }).toThrow(timeout)
    expect(producer.waitSync(1800, 5)).toBe(false)
    while (consumer.tryRead());
    expect(() => consumer.readSync(5)).toThrow(timeout)
    expect(consumer.waitSync(5)).toBe(false)
    expect(consumer.waitSync(0)).toBe(false)
  })

  test('do not overtake what waits', async () => {
    const { producer, consumer } = fullRing()
    const state = sluiceError('ERR_SLUICE_INVALID_STATE')
    const write = producer.write(big)
    expect(() => {
      producer.writeSync(big)
    }).toThrow(state)
    expect(() => producer.waitSync(1)).toThrow(state)
    while (consumer.tryRead());
    await write
    while (consumer.tryRead());
    const read = consumer.read()
    expect(() => consumer.readSync()).toThrow(state)
    expect(() => consumer.waitSync()).toThrow(state)
    producer.tryWrite(bytes('x'))
    await read
  })
})

describe('async iteration', () => {
  test('gives copies of the messages until the end', async () => {
    const { producer, consumer } = ringWithEnds()
    void (async () => {
      for (let i = 0; i < 500; i++) await producer.write(bytes(String(i)))
      producer.close()
    })()
    const seen: string[] = []
    for await (const message of consumer) seen.push(message.toString())
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => String(i)))
  })

  test('leaving the loop leaves the rest', async () => {
    const { producer, consumer } = ringWithEnds()
    for (const text of 'abc') producer.tryWrite(bytes(text))
    for await (const message of consumer) {
      expect(message.toString()).toBe('a')
      break
    }
    expect((await consumer.read())?.toString()).toBe('b')
  })
})

describe('failures that are no wrong arguments are rejections', () => {
  test('after close', async () => {
    const { producer, consumer } = ringWithEnds()
    producer.close()
    consumer.close()
    const calls = [
      producer.write(bytes('x')),
      producer.ready(1),
      consumer.read(),
      consumer.ready(),
      consumer.consume(() => undefined),
    ]
    await Promise.all(
      calls.map((call) => expect(call).rejects.toMatchObject({ code: 'ERR_SLUICE_CLOSED' })),
    )
  })

  test('during consume', async () => {
    const { producer, consumer } = ringWithEnds()
    const consumed = consumer.consume(() => undefined)
    await Promise.all(
      [consumer.read(), consumer.ready(), consumer.consume(() => undefined)].map((call) =>
        expect(call).rejects.toMatchObject({ code: 'ERR_SLUICE_INVALID_STATE' }),
      ),
    )
    producer.close()
    await consumed
  })
})

test('bytes that lose their memory while their write waits fail it, and it alone', async () => {
  const ends = fullRing()
  const doomed = new Uint8Array(1800)
  const waiting = ends.producer.write(doomed)
  const next = ends.producer.write(bytes('next'))
  structuredClone(doomed.buffer, { transfer: [doomed.buffer] })
  const outcome = waiting.then(
    () => 'written',
    (error: unknown) => (error as { code: string }).code,
  )
  drainAll(ends)
  await next
  // A detached view has no bytes: it is refused where there are views, and empty where there are not.
  expect(await outcome).toMatch(/written|ERR_SLUICE_INVALID_ARGUMENT/)
  expect(drainAll(ends).at(-1)).toBe('next')
  expect(ends.producer.tryWrite(bytes('and on'))).toBe(true)
})

test('one signal may cancel as many operations as may wait', async () => {
  const { consumer } = ringWithEnds()
  const warnings = caughtWarnings()
  const controller = new AbortController()
  const { signal } = controller
  const reads = Array.from({ length: 100 }, () => consumer.read({ signal }))
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort()
  await Promise.all(reads.map((read) => expect(read).rejects.toMatchObject({ name: 'AbortError' })))
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  await new Promise((resolve) => setImmediate(resolve)) // warnings come on the next tick
  expect(warnings).toEqual([])
})
