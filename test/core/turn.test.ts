/** Turns of the event loop end by count and by time, and what is left over is done in the next. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { inNextTurn, mayGoOn, soon } from '../../lib/core/turn.js'

function goOn(): number {
  let count = 0
  while (mayGoOn()) count++
  return count
}

function work(milliseconds: number): void {
  for (const begin = performance.now(); performance.now() - begin < milliseconds;);
}

test('a turn ends after so many things', async () => {
  await turn()
  expect(goOn()).toBeLessThanOrEqual(256)
  expect(mayGoOn()).toBe(false)
  await turn()
  expect(mayGoOn()).toBe(true)
})

test('a turn ends after so much time, which others may have used', async () => {
  await turn()
  expect(mayGoOn()).toBe(true)
  work(10)
  expect(goOn()).toBeLessThan(8)
  await turn()
  expect(mayGoOn()).toBe(true)
})

test('what is left for the next turn is done once', async () => {
  await turn()
  let done = 0
  const count = () => {
    done++
  }
  soon(count)
  expect(done).toBe(1)
  goOn()
  for (let i = 0; i < 3; i++) soon(count)
  inNextTurn(count)
  expect(done).toBe(1)
  await turn()
  expect(done).toBe(2)
})
