import { expect, test } from 'vitest'

import { notYet, WaitQueue } from '../../lib/core/wait_queue.js'

function queue() {
  let changes = 0
  const made = new WaitQueue(() => changes++)
  return { made, changes: () => changes }
}

test('only the first is attempted, and the next when it has settled', async () => {
  const { made } = queue()
  const attempts: string[] = []
  let open = false
  const wait = (name: string) =>
    made.add(
      name,
      () => {
        attempts.push(name)
        return open ? name : notYet
      },
      {},
    )
  const waiting = [wait('a'), wait('b')]
  made.service()
  made.service()
  expect(attempts).toEqual(['a', 'a'])
  open = true
  made.service()
  expect(await Promise.all(waiting)).toEqual(['a', 'b'])
  expect(made.length).toBe(0)
})

test('an attempt that throws rejects its own operation alone', async () => {
  const { made } = queue()
  const mine = new Error('mine')
  const first = made.add(
    'first',
    () => {
      throw mine
    },
    {},
  )
  const second = made.add('second', () => 2, {})
  made.service()
  await expect(first).rejects.toBe(mine)
  expect(await second).toBe(2)
})

test('says when the first has become another one by a cancellation', async () => {
  const { made, changes } = queue()
  const controllers = [new AbortController(), new AbortController()]
  const waiting = controllers.map(({ signal }) => made.add('it', () => notYet, { signal }))
  controllers[1]?.abort()
  await expect(waiting[1]).rejects.toThrow()
  expect(changes()).toBe(0)
  controllers[0]?.abort()
  await expect(waiting[0]).rejects.toThrow()
  expect(changes()).toBe(1)
})

test('a timeout longer than timers can be is none', async () => {
  const { made } = queue()
  let open = false
  const waiting = made.add('it', () => (open ? 1 : notYet), { timeout: 2 ** 40 })
  await new Promise((resolve) => setTimeout(resolve, 5))
  open = true
  made.service()
  expect(await waiting).toBe(1)
})
