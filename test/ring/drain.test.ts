import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'

import { onlyIf } from '../support/platform.js'
import { bytes, noViews, ringWithEnds, sluiceError, zeroCopy } from '../support/rings.js'

function filled(...texts: string[]) {
  const ends = ringWithEnds()
  for (const [type, text] of texts.entries()) ends.producer.tryWrite(bytes(text), type)
  return ends
}

test('calls the handler with each message and its type, and counts', () => {
  const { consumer } = filled('a', 'b', 'c')
  const seen: [string, number][] = []
  expect(consumer.drain((message, type) => void seen.push([message.toString(), type]))).toBe(3)
  expect(seen).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 2],
  ])
  expect(consumer.drain(() => undefined)).toBe(0)
})

test('messages are Buffers', () => {
  const { consumer } = filled('text')
  consumer.drain((message) => {
    expect(Buffer.isBuffer(message)).toBe(true)
    expect(message).toBeInstanceOf(Buffer)
    expect(message.subarray(1, 3).toString('latin1')).toBe('ex')
    expect(Buffer.concat([message, message]).toString()).toBe('texttext')
    expect(message.equals(Buffer.from('text'))).toBe(true)
    expect(message.readUInt16BE(0)).toBe(0x7465)
  })
})

test('takes no more than the limit', () => {
  const { consumer } = filled('a', 'b', 'c')
  expect(consumer.drain(() => undefined, 0)).toBe(0)
  expect(consumer.drain(() => undefined, 2)).toBe(2)
  expect(consumer.tryRead()?.toString()).toBe('c')
})

test('stops after the message for which the handler returns false', () => {
  const { consumer } = filled('a', 'b', 'c')
  expect(consumer.drain((message) => message.toString() !== 'b')).toBe(2)
  expect(consumer.tryRead()?.toString()).toBe('c')
})

test('only false stops it', () => {
  const { consumer } = filled('a', 'b', 'c', 'd')
  const returned: unknown[] = [undefined, null, 0, '']
  expect(consumer.drain(() => returned.shift() as undefined)).toBe(4)
})

test('an async handler is refused at its first message, which stays', () => {
  const { consumer } = filled('a', 'b')
  const failing = () => Promise.reject(new Error('nobody would see it')) as unknown as undefined
  expect(() => consumer.drain(failing)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  const ofAnotherRealm = runInNewContext('async () => { throw 1 }') as () => undefined
  expect(() => consumer.drain(ofAnotherRealm)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  expect(consumer.drain(() => undefined)).toBe(2)
})

test('the handler cannot take messages itself, so none is skipped or comes twice', () => {
  const { ring, consumer } = filled('a', 'b', 'c', 'd')
  const seen: string[] = []
  const count = consumer.drain((message) => {
    seen.push(message.toString())
    expect(() => {
      consumer.release()
    }).toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
    expect(() => consumer.tryRead()).toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
  })
  expect(count).toBe(4)
  expect(seen).toEqual(['a', 'b', 'c', 'd'])
  expect(ring.stats().consumer.messages).toBe(4)
})

test('does not overtake reads that wait', async () => {
  const { producer, consumer } = filled()
  const read = consumer.read()
  expect(() => consumer.drain(() => undefined)).toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
  producer.tryWrite(bytes('mine'))
  expect((await read)?.toString()).toBe('mine')
})

test('a message whose handler throws stays, and those before it have left', () => {
  const { ring, consumer } = filled('a', 'b', 'c')
  const mine = new Error('mine')
  expect(() =>
    consumer.drain((message) => {
      if (message.toString() === 'b') throw mine
    }),
  ).toThrow(mine)
  expect(ring.stats().used).toBe(32)
  expect(consumer.tryRead()?.toString()).toBe('b')
  expect(consumer.tryRead()?.toString()).toBe('c')
})

test('room comes back while it drains a full ring', () => {
  const { producer, consumer } = ringWithEnds()
  let written = 0
  const write = () => written < 263 && producer.tryWrite(Buffer.alloc(56))
  while (write()) written++
  const before = written
  let count = consumer.drain(() => {
    if (write()) written++
  })
  expect(written).toBeGreaterThan(before)
  for (let more = 1; more > 0; count += more) {
    more = consumer.drain(() => {
      if (write()) written++
    })
  }
  expect([written, count]).toEqual([263, 263])
})

test('the handler must not drain', () => {
  const { consumer } = filled('a')
  let inner: unknown
  consumer.drain(() => {
    try {
      consumer.drain(() => undefined)
    } catch (error) {
      inner = error
    }
  })
  expect(inner).toMatchObject({ code: 'ERR_SLUICE_INVALID_STATE' })
  expect(consumer.drain(() => undefined)).toBe(0)
})

test.each(['consumer', 'ring'] as const)('the handler may close the %s', (what) => {
  const ends = filled('a', 'b', 'c')
  const seen: string[] = []
  ends.consumer.drain((message) => {
    seen.push(message.toString())
    if (seen.length === 2) ends[what].close()
  })
  expect(seen).toEqual(['a', 'b'])
  expect(() => ends.consumer.drain(() => undefined)).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

test('a successor gets what was not handled to its end, and nothing else', () => {
  const { ring, consumer } = filled('a', 'b', 'c')
  consumer.drain((message) => {
    if (message.toString() === 'b') consumer.close()
  })
  const next = ring.consumer()
  expect(next.tryRead()?.toString()).toBe('b')
  expect(next.tryRead()?.toString()).toBe('c')
})

onlyIf(zeroCopy, noViews)('messages are views of the ring, writable and 8-aligned', () => {
  const { producer, consumer } = ringWithEnds()
  producer.tryWrite(new Uint8Array(new Float64Array([1, 2, 3]).buffer))
  consumer.drain((message) => {
    expect(message.byteOffset % 8).toBe(0)
    expect([...new Float64Array(message.buffer, message.byteOffset, 3)]).toEqual([1, 2, 3])
    expect(message.buffer).toBe(consumer.bytes.buffer)
  })
})

test('returns although the producer writes on', () => {
  const { producer, consumer } = filled('a')
  const writeOn = () => void producer.tryWrite(bytes('next'))
  expect(consumer.drain(writeOn, 100)).toBe(100)
  expect(consumer.drain(writeOn, 1000)).toBe(4096 / 16) // as many as fill the ring once
  expect(consumer.drain(writeOn)).toBe(4096 / 16)
})
