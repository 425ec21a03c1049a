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
