import { expect, test } from 'vitest'

import { Child } from '../support/child.js'
import { pipeName } from '../support/pipes.js'
import { uniqueName } from '../support/rings.js'
import { temporaryFolder } from '../support/folder.js'

test('no call takes an option from what all objects inherit', async () => {
  const child = new Child('polluted.mjs', [temporaryFolder(), uniqueName(), pipeName()])
  expect(await child.next()).toEqual([])
  await child.finish()
})
