import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { flowLimits } from '../../lib/mux/flow_limits.js'
import { replayed } from '../support/replay.js'
import { sluiceError } from '../support/rings.js'

const KiB = 1024
const MiB = 1024 * KiB
const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

describe('the limits of a receiver', () => {
  test.each([
    // memoryLimit, maxStreams, then guarantee, pool and window
    [64 * MiB, 1024, 32 * KiB, 32 * MiB, 8 * MiB],
    [64 * MiB, 10_000, 4 * KiB, 64 * MiB - 40_000 * KiB, 8 * MiB],
    [64 * MiB, 1, 256 * KiB, 64 * MiB - 256 * KiB, 8 * MiB],
    [8 * MiB, 64, 64 * KiB, 4 * MiB, 2 * MiB + 64 * KiB],
    [1536, 1, 1 * KiB, 512, 1280],
  ])('of %d bytes for %d streams', (memory, slots, guarantee, pool, window) => {
    expect(flowLimits(memory, slots)).toEqual({ guarantee, pool, window, slots })
  })

  test('never come to more than the memory, and leave a third of it to the pool', () => {
    const memory = fc.integer({ min: 1536, max: 2 ** 32 - 1 })
    const property = fc.property(memory, fc.integer({ min: 1, max: 2 ** 20 }), (memory, most) => {
      const slots = Math.min(most, Math.floor(memory / 1536))
      const { guarantee, pool, window } = flowLimits(memory, slots)
      expect(slots * guarantee + pool).toBeLessThanOrEqual(memory)
      expect(pool).toBeGreaterThanOrEqual(Math.floor(memory / 3))
      expect(guarantee).toBeGreaterThanOrEqual(1024)
      expect(window).toBeGreaterThanOrEqual(guarantee)
      expect(Number.isInteger(window)).toBe(true)
    })
    fc.assert(property, replayed(1000))
  })

  test('need memory for each stream', () => {
    expect(() => flowLimits(1536 * 1024 - 1, 1024)).toThrow(invalid)
    expect(() => flowLimits(1536 * 1024 - 1, 1024)).toThrow(
      'options.memoryLimit must be at least 1536 bytes for each of options.maxStreams, which is 1024: ' +
        '1572864; received 1572863',
    )
  })

  test.each([
    [0, 1],
    [64 * MiB, 0],
    [64 * MiB, 2 ** 20 + 1],
    [2 ** 32, 1024],
    [NaN, 1],
    [64 * MiB, 1.5],
  ])('are not made of %d bytes for %d streams', (memory, slots) => {
    expect(() => flowLimits(memory, slots)).toThrow(invalid)
  })
})
