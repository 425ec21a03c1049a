import { describe, expect, test } from 'vitest'

import { Child } from '../support/child.js'
import { namedRing } from '../support/rings.js'
import { states } from '../support/states.js'

describe('a process', () => {
  test.each(states)('may exit while it is in: %s', async (state) => {
    const ring = namedRing()
    const child = new Child('exit_state.mjs', [ring.name, state])
    expect(await child.exited).toEqual({ code: 5, signal: null })
    expect(child.errors).toBe('')
    expect(ring.stats()).toMatchObject({ producer: { alive: false }, consumer: { alive: false } })
  })

  test.each(states)('may exit while its worker is in: %s', async (state) => {
    const ring = namedRing()
    const child = new Child('exit_state.mjs', [ring.name, state, 'worker'])
    expect(await child.exited).toEqual({ code: 5, signal: null })
    expect(child.errors).toBe('')
  })
})

describe('messages that are corked when the process ends', () => {
  async function left(how: string): Promise<string[]> {
    const ring = namedRing()
    const child = new Child('corked_exit.mjs', [ring.name, how])
    await child.exited
    const consumer = ring.consumer()
    const messages: string[] = []
    await consumer
      .consume((message) => void messages.push(message.toString()))
      .catch(() => undefined)
    return messages
  }

  test.each(['exit', 'end', 'worker exit', 'worker end', 'exception'])(
    'are published when it ends by: %s',
    async (how) => {
      expect(await left(how)).toEqual(['first', 'second'])
    },
  )

  test('are lost when it is killed', async () => {
    expect(await left('kill')).toEqual([])
  })
})
