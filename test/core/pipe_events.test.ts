import { expect, test } from 'vitest'

import { PipeEvents } from '../../lib/core/pipe_events.js'
import { uncaughtExceptions } from '../support/uncaught.js'

test('a listener that throws costs the others of the same batch nothing', async () => {
  const uncaught = uncaughtExceptions()
  const events = new PipeEvents(() => undefined)
  const told: unknown[] = []
  const thrown = new Error('of a listener')
  events.listen(1, () => {
    throw thrown
  })
  events.listen(2, (event, error) => told.push([event, error]))
  events.deliver([1, 0, 0, 2, 1, 109])
  expect(told).toEqual([[1, 109]])
  await new Promise(setImmediate)
  expect(uncaught).toEqual([thrown])
})
