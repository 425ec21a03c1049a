/** Several messages in hand at once: `hold`, and `release` in order. */
import { expect, test } from 'vitest'

import type { Consumer } from '../../lib/index.js'
import { skipAllIf } from '../support/platform.js'
import {
  bytes,
  closedAfterTest,
  namedRing,
  ringWithEnds,
  sluiceError,
  writeWords,
  zeroCopy,
} from '../support/rings.js'

skipAllIf(!zeroCopy, 'this run does without views of shared memory')

const invalid = sluiceError('ERR_SLUICE_INVALID_STATE')

function held(consumer: Consumer): string | undefined {
  const length = consumer.peek()
  if (length < 0) return undefined
  const text = consumer.bytes.toString('utf8', consumer.offset, consumer.offset + length)
  consumer.hold()
  return text
}

test('messages are kept, and released in order', () => {
  const { ring, producer, consumer } = ringWithEnds(4096)
  for (const text of ['a', 'b', 'c']) producer.tryWrite(bytes(text))
  const [first] = [consumer.peek(), consumer.offset].slice(1)
  expect([held(consumer), held(consumer), held(consumer), held(consumer)]).toEqual([
    'a',
    'b',
    'c',
    undefined,
  ])
  expect(consumer.held).toBe(3)
  expect(ring.stats()).toMatchObject({ used: 48, consumer: { messages: 0 } })
  expect(consumer.bytes[first]).toBe('a'.charCodeAt(0))
  consumer.release()
  expect(ring.stats()).toMatchObject({ used: 32, consumer: { messages: 1 } })
  consumer.release()
  consumer.release()
  expect(consumer.held).toBe(0)
  expect(ring.stats()).toMatchObject({ used: 0, consumer: { messages: 3 } })
  expect(() => {
    consumer.release()
  }).toThrow(invalid)
})

test('the producer gets room when the first is released, also where the ring begins anew', () => {
  const { producer, consumer } = ringWithEnds(4096)
  const message = Buffer.alloc(1000)
  let number = 0
  const fill = () => {
    for (;;) {
      message.writeUInt32LE(number)
      if (!producer.tryWrite(message)) return
      number++
    }
  }
  let next = 0
  fill()
  for (let lap = 0; lap < 100; lap++) {
    const offsets: number[] = []
    while (consumer.peek() >= 0) {
      offsets.push(consumer.offset)
      consumer.hold()
    }
    expect(producer.tryWrite(message)).toBe(false)
    for (const offset of offsets) {
      expect(consumer.view.getUint32(offset, true)).toBe(next++)
      consumer.release()
      fill()
    }
  }
  expect(next).toBeGreaterThan(300)
})

test('a successor gets what was kept and not released', () => {
  const { ring, producer, consumer } = ringWithEnds(4096)
  for (const text of ['a', 'b', 'c']) producer.tryWrite(bytes(text))
  held(consumer)
  held(consumer)
  consumer.release()
  consumer.abandon()
  const successor = ring.consumer()
  expect(successor.tryRead()?.toString()).toBe('b')
  expect(successor.tryRead()?.toString()).toBe('c')
})

test('nothing else takes messages meanwhile, and there must be one to keep', async () => {
  const { producer, consumer } = ringWithEnds(4096)
  expect(() => {
    consumer.hold()
  }).toThrow(invalid)
  producer.tryWrite(bytes('a'))
  producer.tryWrite(bytes('b'))
  held(consumer)
  expect(() => consumer.tryRead()).toThrow(invalid)
  expect(() => consumer.drain(() => undefined)).toThrow(invalid)
  await expect(consumer.read()).rejects.toThrow(invalid)
  await expect(consumer.consume(() => undefined)).rejects.toThrow(invalid)
  await expect(consumer.ready()).rejects.toThrow(invalid)
  expect(() => consumer.waitSync(0)).toThrow(invalid)
  consumer.release()
  expect(consumer.tryRead()?.toString()).toBe('b')
})

test('the end comes behind what is kept', async () => {
  const { producer, consumer } = ringWithEnds(4096)
  producer.tryWrite(bytes('a'))
  producer.close()
  held(consumer)
  expect(held(consumer)).toBeUndefined()
  consumer.release()
  expect(await consumer.read()).toBeUndefined()
})

test('a hostile producer cannot have more held than the ring has room for', () => {
  const ring = namedRing(4096)
  const records: Record<number, number> = {}
  for (let at = 4096; at < 8192; at += 16) Object.assign(records, { [at]: 0x80000008, [at + 4]: 1 })
  writeWords(ring.name, records)
  const consumer = ring.consumer()
  let count = 0
  expect(() => {
    for (; consumer.peek() >= 0; count++) consumer.hold()
  }).toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  expect(count).toBe(4096 / 16)
  closedAfterTest(ring)
})
