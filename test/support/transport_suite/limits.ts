/** Every queue is bounded: 1024 operations wait on one object, and the next is refused. */
import { describe, expect, test } from 'vitest'

import { sluiceError } from '../rings.js'
import { fill, received, receivedBytes, type Workbench } from './workbench.js'

const most = 1024
const full = sluiceError('ERR_SLUICE_QUEUE_FULL')
const closed = sluiceError('ERR_SLUICE_CLOSED')

/** Which a test ends by closing what they wait on. */
function unhandled<T>(promises: Promise<T>[]): readonly Promise<T>[] {
  for (const promise of promises) promise.catch(() => undefined)
  return promises
}

export function limits(bench: Workbench): void {
  const { server: serverUnderTest } = bench.transport

  describe('what waits is bounded', () => {
    test('receives: beyond 1,024 they are refused, and one that is cancelled makes room', async () => {
      const [one, other] = await bench.pair()
      const controller = new AbortController()
      const receives = unhandled(
        Array.from({ length: most - 1 }, () => other.receive()).concat(
          other.receive({ signal: controller.signal }),
        ),
      )
      await expect(other.receive()).rejects.toThrow(full)
      expect(other.destroyed).toBe(false)
      controller.abort()
      const last = other.receive()
      last.catch(() => undefined)
      await expect(other.receive()).rejects.toThrow(full)
      await one.send(Buffer.from('first'))
      expect((await receives[0])?.data.toString()).toBe('first')
      other.destroy()
      await expect(receives[1]).rejects.toThrow(closed)
      await expect(last).rejects.toThrow(closed)
    })

    test('sends: beyond 1,024 they are refused, and all that wait are told of the close', async () => {
      const [one] = await bench.pair()
      await fill(one)
      const sends = unhandled(Array.from({ length: most }, () => one.send(Buffer.from('x'))))
      await expect(one.send(Buffer.from('x'))).rejects.toThrow(full)
      one.destroy()
      await expect(sends[0]).rejects.toThrow(closed)
      await expect(sends[1023]).rejects.toThrow(closed)
    })

    test('sends: those that wait are all done in the end, and there is room again', async () => {
      const [one, other] = await bench.pair()
      const filled = await fill(one)
      const sends = Array.from({ length: most }, () => one.send(Buffer.from('x')))
      await expect(one.send(Buffer.from('never'))).rejects.toThrow(full)
      const all = await receivedBytes(other, filled + most)
      expect(all.subarray(filled).toString()).toBe('x'.repeat(most))
      await Promise.all(sends)
      await one.send(Buffer.from('more'))
      expect(await received(other)).toBe('more')
    })

    test('sends: those that were cancelled do not count', async () => {
      const [one] = await bench.pair()
      await fill(one)
      const controller = new AbortController()
      const cancelled = unhandled(
        Array.from({ length: most }, () =>
          one.send(Buffer.from('x'), { signal: controller.signal }),
        ),
      )
      controller.abort(new Error('enough'))
      await Promise.all(cancelled.map((send) => expect(send).rejects.toThrow('enough')))
      void unhandled(Array.from({ length: most }, () => one.send(Buffer.from('x'))))
      await expect(one.send(Buffer.from('x'))).rejects.toThrow(full)
    })
  })

  if (serverUnderTest === undefined) return
  const servers = bench.withServer(serverUnderTest)

  describe('accepts that wait are bounded', () => {
    test('beyond 1,024 they are refused, and one that is cancelled makes room', async () => {
      const { server, address } = await servers.listen()
      const controller = new AbortController()
      const accepts = unhandled(
        Array.from({ length: most - 1 }, () => server.accept()).concat(
          server.accept({ signal: controller.signal }),
        ),
      )
      await expect(server.accept()).rejects.toThrow(full)
      controller.abort()
      server.accept().catch(() => undefined)
      await expect(server.accept()).rejects.toThrow(full)
      await servers.connect(address)
      ;(await accepts[0]).destroy()
      server.close()
      await expect(accepts[1]).rejects.toThrow(closed)
    })
  })
}
