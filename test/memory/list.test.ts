import { expect, test } from 'vitest'

import { SharedMemory } from '../../lib/index.js'
import { native } from '../../lib/pipe/native.js'
import { onWindows, unixOnly } from '../support/platform.js'
import { closedAfterTest, namedRing, uniqueName } from '../support/rings.js'

async function listed(name: string): Promise<boolean> {
  return (await SharedMemory.list()).some((info) => info.name === name)
}

test('lists the named objects, in order, with size, mode and owner', async () => {
  const names = [uniqueName(), uniqueName()].sort()
  const sizes = onWindows ? [4096, 8192] : [1000, 1001]
  for (const [i, name] of names.entries()) {
    closedAfterTest(SharedMemory.create(name, { size: sizes[i] ?? 0, mode: 0o600 }))
  }
  const found = (await SharedMemory.list()).filter(({ name }) => names.includes(name))
  expect(found).toEqual(
    names.map((name, i) => ({
      name,
      size: sizes[i],
      mode: onWindows ? undefined : 0o600,
      uid: process.getuid?.(),
      ownerSid: onWindows ? native.currentUserSid() : undefined,
    })),
  )
})

test('lists the memory of a ring once, and what has no name not at all', async () => {
  const ring = namedRing()
  ring.producer()
  closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
  const names = (await SharedMemory.list()).map(({ name }) => name)
  expect(names.filter((name) => name.includes(ring.name.slice(1)))).toEqual([ring.name])
  expect(names.filter((name) => name.includes('anonymous'))).toEqual([])
})

unixOnly('a section loses its name with its last handle only')(
  'does not list what has been removed',
  async () => {
    const name = uniqueName()
    closedAfterTest(SharedMemory.create(name, { size: 1 })).unlink()
    expect(await listed(name)).toBe(false)
  },
)

test('does not list what everybody has closed', async () => {
  const name = uniqueName()
  const memory = SharedMemory.create(name, { size: 1 })
  expect(await listed(name)).toBe(true)
  memory.unlink()
  memory.close()
  expect(await listed(name)).toBe(false)
})
