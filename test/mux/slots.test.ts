import { describe, expect, test } from 'vitest'

import { OwnSlots, PeerSlots } from '../../lib/mux/slots.js'
import { sluiceError } from '../support/rings.js'

const corrupt = sluiceError('ERR_SLUICE_CORRUPT')

describe('the numbers of own streams', () => {
  test('are taken until there are none, and again when they are free', () => {
    const slots = new OwnSlots<string>(3)
    expect(['a', 'b', 'c', 'd'].map((stream) => slots.take(stream))).toEqual([0, 1, 2, -1])
    slots.free(1)
    expect(slots.count).toBe(2)
    expect(slots.take('e')).toBe(1)
    expect(slots.find(1)).toBe('e')
    expect(slots.take('f')).toBe(-1)
  })

  test('never run out', () => {
    const slots = new OwnSlots<number>(2)
    for (let stream = 0; stream < 100_000; stream++) slots.free(slots.take(stream))
    expect(slots.count).toBe(0)
  })

  test('cannot be freed twice', () => {
    const slots = new OwnSlots<string>(3)
    slots.free(slots.take('a'))
    expect(() => {
      slots.free(0)
    }).toThrow(sluiceError('ERR_SLUICE_INTERNAL'))
  })
})

describe("the numbers of the peer's streams", () => {
  test('are chosen by the peer', () => {
    const slots = new PeerSlots<string>(3)
    slots.put(2, 'a')
    expect(slots.find(2)).toBe('a')
    slots.free(2)
    slots.put(2, 'b')
    expect(slots.count).toBe(1)
  })

  test.each([1, 3, 2 ** 32 - 1])('cannot be %d when that is taken or too large', (slot) => {
    const slots = new PeerSlots<string>(3)
    slots.put(1, 'a')
    expect(() => {
      slots.put(slot, 'b')
    }).toThrow(corrupt)
  })

  test.each([0, 3, 2 ** 32 - 1])('%d is nobody, and a frame for it is refused', (slot) => {
    const slots = new PeerSlots<string>(3)
    slots.put(1, 'a')
    expect(() => slots.find(slot)).toThrow(corrupt)
  })
})
