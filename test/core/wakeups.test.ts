import { expect, test } from 'vitest'

import { Wakeups } from '../../lib/core/wakeups.js'
import { uncaughtExceptions } from '../support/uncaught.js'

test('who sleeps is woken once; who does not is not', () => {
  const wakeups = new Wakeups(() => undefined)
  const woken: string[] = []
  const [a, b] = [wakeups.newId(), wakeups.newId()]
  wakeups.sleeping(a, () => woken.push('a'), true)
  wakeups.wake([b, a, a, 999])
  wakeups.wake([a])
  expect(woken).toEqual(['a'])
})

test('the process is kept alive while one sleeps that wants it', () => {
  const calls: boolean[] = []
  const wakeups = new Wakeups((ref) => calls.push(ref))
  const ids = [wakeups.newId(), wakeups.newId(), wakeups.newId()] as const
  wakeups.sleeping(ids[0], () => undefined, false)
  expect(calls).toEqual([])
  wakeups.sleeping(ids[1], () => undefined, true)
  wakeups.sleeping(ids[2], () => undefined, true)
  expect(calls).toEqual([true])
  wakeups.awake(ids[1])
  wakeups.setRef(ids[0], true)
  wakeups.awake(ids[2])
  expect(calls).toEqual([true])
  wakeups.setRef(ids[0], false)
  expect(calls).toEqual([true, false])
  wakeups.wake([ids[0]])
  expect(calls).toEqual([true, false])
})

test('who throws costs nobody else the wake-up', async () => {
  const uncaught = uncaughtExceptions()
  const wakeups = new Wakeups(() => undefined)
  const woken: string[] = []
  const [a, b] = [wakeups.newId(), wakeups.newId()]
  const thrown = new Error('of a listener')
  wakeups.sleeping(
    a,
    () => {
      throw thrown
    },
    true,
  )
  wakeups.sleeping(b, () => woken.push('b'), true)
  wakeups.wake([a, b])
  expect(woken).toEqual(['b'])
  await new Promise(setImmediate)
  expect(uncaught).toEqual([thrown])
})
