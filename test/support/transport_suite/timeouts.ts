/** `setTimeout`: being told of idleness. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { closeOf, received, type Workbench } from './workbench.js'

function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

export function timeouts(bench: Workbench): void {
  describe('setTimeout', () => {
    test('tells of idleness, and traffic puts it off', async () => {
      fakeTime()
      const [one, other] = await bench.pair()
      one.resume()
      let count = 0
      one.on('timeout', () => count++)
      one.setTimeout(100)
      vi.advanceTimersByTime(80)
      other.write('x')
      await once(one, 'data')
      vi.advanceTimersByTime(80)
      one.write('x')
      await turn()
      vi.advanceTimersByTime(80)
      expect(count).toBe(0)
      vi.advanceTimersByTime(20)
      expect(count).toBe(1)
      expect(one.destroyed).toBe(false)
      other.write('x')
      await once(one, 'data')
      vi.advanceTimersByTime(100)
      expect(count).toBe(2)
      one.setTimeout(0)
      other.write('x')
      await once(one, 'data')
      vi.advanceTimersByTime(1000)
      expect(count).toBe(2)
    })

    test('counts send and receive as traffic', async () => {
      fakeTime()
      const [one, other] = await bench.pair()
      let count = 0
      one.setTimeout(100, () => count++)
      vi.advanceTimersByTime(80)
      await one.send(Buffer.from('x'))
      vi.advanceTimersByTime(80)
      await other.send(Buffer.from('y'))
      expect(await received(one)).toBe('y')
      vi.advanceTimersByTime(80)
      expect(count).toBe(0)
      vi.advanceTimersByTime(20)
      expect(count).toBe(1)
    })

    test('takes a listener, which a time of 0 takes away', async () => {
      fakeTime()
      const [one] = await bench.pair()
      const listener = vi.fn()
      expect(one.timeout).toBeUndefined()
      expect(one.setTimeout(100, listener)).toBe(one)
      expect(one.timeout).toBe(100)
      one.setTimeout(0, listener)
      expect(one.timeout).toBeUndefined()
      expect(one.listenerCount('timeout')).toBe(0)
      vi.advanceTimersByTime(1000)
      expect(listener).not.toHaveBeenCalled()
    })

    test('comes to nothing when the connection is destroyed, before or after', async () => {
      fakeTime()
      const [one] = await bench.pair()
      const listener = vi.fn()
      one.setTimeout(100, listener)
      one.destroy()
      one.setTimeout(100, listener)
      await closeOf(one)
      vi.advanceTimersByTime(1000)
      expect(listener).not.toHaveBeenCalled()
    })

    test('works with real time', async () => {
      const [one] = await bench.pair()
      await new Promise<void>((resolve) => one.setTimeout(1, resolve))
      expect(one.destroyed).toBe(false)
    })
  })
}
