import { expect } from 'vitest'

import { SharedMemory } from '../../lib/index.js'
import { unixOnly } from '../support/platform.js'
import { closedAfterTest, uniqueName } from '../support/rings.js'

unixOnly('sections cannot be listed')(
  'lists the named objects, in order, with size, mode and owner',
  async () => {
    const names = [uniqueName(), uniqueName()].sort()
    for (const [i, name] of names.entries()) {
      closedAfterTest(SharedMemory.create(name, { size: 1000 + i, mode: 0o640 }))
    }
    const found = (await SharedMemory.list()).filter(({ name }) => names.includes(name))
    expect(found).toEqual(
      names.map((name, i) => ({ name, size: 1000 + i, mode: 0o640, uid: process.getuid?.() })),
    )
  },
)

unixOnly('sections cannot be listed')('does not list what has been removed', async () => {
  const name = uniqueName()
  closedAfterTest(SharedMemory.create(name, { size: 1 })).unlink()
  const names = (await SharedMemory.list()).map((info) => info.name)
  expect(names).not.toContain(name)
})
