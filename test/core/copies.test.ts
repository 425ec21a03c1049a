/** Several copies of the package over one addon, as Jest has them and who empties `require.cache`. */
import { expect, test, vi } from 'vitest'

import * as first from '../../lib/index.js'
import { onlyIf, onWindows } from '../support/platform.js'

type Copy = typeof first

/** Also in the order in which they were loaded. */
async function anotherCopy(): Promise<Copy> {
  vi.resetModules()
  const copy = await import('../../lib/index.js')
  expect(copy.SluiceError).not.toBe(first.SluiceError)
  return copy
}

function thrown(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

async function received(receiving: Promise<first.ReceivedUnixMessage | undefined>) {
  const message = await receiving
  if (message === undefined) throw new Error('the connection has ended')
  return message
}

test('an error is an instance of the SluiceError of every copy, whoever made it', async () => {
  const second = await anotherCopy()
  for (const copy of [first, second]) {
    const made = [
      thrown(() => copy.SharedMemory.open('/sluice-no-such-name')), // natively
      thrown(() => copy.Ring.create('/x', { capacity: 5 })),
    ]
    for (const error of made) {
      expect(error).toBeInstanceOf(Error)
      expect(error).toBeInstanceOf(first.SluiceError)
      expect(error).toBeInstanceOf(second.SluiceError)
    }
  }
})

test('an error made natively is of the copy that was loaded last', async () => {
  const second = await anotherCopy()
  const error = thrown(() => second.SharedMemory.open('/sluice-no-such-name')) as Error
  expect(error.constructor).toBe(second.SluiceError)
})

test('other errors, other values and a subclass of the user are no instances', () => {
  class Mine extends first.SluiceError {}
  const error = new first.SluiceError('ERR_SLUICE_TIMEOUT', 'text')
  expect(error instanceof Mine).toBe(false)
  expect(new Mine('ERR_SLUICE_TIMEOUT', 'text') instanceof Mine).toBe(true)
  expect(new Mine('ERR_SLUICE_TIMEOUT', 'text')).toBeInstanceOf(first.SluiceError)
  for (const value of [new Error('text'), undefined, null, 5, 'text', {}]) {
    expect(value instanceof first.SluiceError).toBe(false)
  }
})

test('both copies are woken', async () => {
  const second = await anotherCopy()
  for (const [copy, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const ring = copy.Ring.anonymous({ capacity: 4096 })
    const reading = ring.consumer({ spin: 0 }).read()
    const again = onWindows ? ring : other.Ring.fromFd(ring.fd)
    again.producer().tryWrite(Buffer.from('hello'))
    expect((await reading)?.toString()).toBe('hello')
    again.close()
    ring.close()
  }
})

onlyIf(!onWindows, 'Windows has no Unix sockets')(
  'a socket of the one sends to a socket of the other, also a descriptor of the one',
  async () => {
    const second = await anotherCopy()
    for (const [copy, other] of [
      [first, second],
      [second, first],
    ] as const) {
      const [a, b] = copy.socketPair()
      const [c, d] = other.socketPair()
      const receiving = received(b.receive())
      const memory = copy.SharedMemory.anonymous({ size: 4096 })
      await a.send(Buffer.from('one'), { fds: [memory] })
      const { data, fds } = await receiving
      expect(data.toString()).toBe('one')
      // Through a connection of the other copy.
      const passing = received(d.receive())
      await c.send(Buffer.from('two'), { fds })
      const passed = await passing
      expect(passed.data.toString()).toBe('two')
      expect(passed.fds[0]).toMatchObject({ kind: 'memory' })
      for (const one of [...fds, ...passed.fds, memory]) one.close()
      for (const one of [a, b, c, d]) one.destroy()
    }
  },
)
