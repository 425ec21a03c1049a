/** The built package, as its users load it. */
import { expect, test } from 'vitest'

import { Child } from '../support/child.js'

test('import and require give the same classes, which work with each other', async () => {
  const child = new Child('dual.mjs')
  expect(await child.next()).toEqual({ same: true, names: true, works: true })
  await child.finish()
})

test('several workers and the main thread load it side by side', async () => {
  const child = new Child('many_threads.mjs')
  expect(await child.next()).toEqual(Array.from({ length: 4 }, () => 'through the ring'))
  await child.finish()
})
