import { expect, test } from 'vitest'

import { Listeners } from '../../lib/core/listeners.js'
import { uncaughtExceptions } from '../support/uncaught.js'

test('a listener hears what is told to its number, until it is forgotten', () => {
  const listeners = new Listeners()
  const told: unknown[] = []
  const [a, b] = [listeners.newId(), listeners.newId()]
  const listener = {
    notify(event: number, error: number) {
      told.push([event, error])
    },
  }
  listeners.listen(a, listener)
  for (const id of [b, a, 999]) listeners.tell(id, 1, 109)
  listeners.tell(a)
  expect(told).toEqual([
    [1, 109],
    [0, 0],
  ])
  expect(listeners.forget(a)).toBe(true)
  expect(listeners.forget(a)).toBe(false)
  listeners.tell(a)
  expect(told.length).toBe(2)
})

test('the process is kept alive while somebody wants it', () => {
  const calls: boolean[] = []
  const listeners = new Listeners((ref) => calls.push(ref))
  listeners.keepAlive()
  listeners.keepAlive()
  expect(calls).toEqual([true])
  listeners.letGo()
  listeners.keepAlive()
  listeners.letGo()
  expect(calls).toEqual([true])
  listeners.letGo()
  expect(calls).toEqual([true, false])
})

test('a listener that throws costs the others of the same batch nothing', async () => {
  const uncaught = uncaughtExceptions()
  const listeners = new Listeners()
  const told: unknown[] = []
  const thrown = new Error('of a listener')
  listeners.listen(1, {
    notify() {
      throw thrown
    },
  })
  listeners.listen(2, { notify: (event, error) => told.push([event, error]) })
  for (const id of [1, 2]) listeners.tell(id, 1, 109)
  expect(told).toEqual([[1, 109]])
  await new Promise(setImmediate)
  expect(uncaught).toEqual([thrown])
})
