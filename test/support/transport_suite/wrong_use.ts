/** Arguments that are wrong throw at once; calls that do not go together are refused. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { sluiceError } from '../rings.js'
import type { ServerUnderTest } from './transport_under_test.js'
import { received, type Workbench } from './workbench.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
const mixed = sluiceError('ERR_SLUICE_INVALID_STATE')

const waitOptions: [string, object][] = [
  ['a negative timeout', { timeout: -1 }],
  ['a timeout that is no number', { timeout: 'soon' }],
  ['a timeout of NaN', { timeout: NaN }],
  ['a signal that is none', { signal: {} }],
  ['an option that is unknown', { misspelt: true }],
]

export function wrongUse(bench: Workbench, serverUnderTest?: ServerUnderTest): void {
  describe('wrong arguments', () => {
    test.each(waitOptions)('%s', async (_, options) => {
      const [one] = await bench.pair()
      expect(() => one.send(Buffer.from('x'), options)).toThrow(wrong)
      expect(() => one.receive(options)).toThrow(wrong)
      expect([one.bytesWritten, one.destroyed]).toEqual([0, false])
    })

    test('of send and setTimeout', async () => {
      const [one] = await bench.pair()
      expect(() => one.send('text' as never)).toThrow(/bytes must be a Uint8Array/)
      expect(() => one.send(undefined as never)).toThrow(wrong)
      expect(() => one.setTimeout(-1)).toThrow(wrong)
      expect(() => one.setTimeout(2 ** 31)).toThrow(wrong)
      expect(() => one.setTimeout(1, 'listener' as never)).toThrow(wrong)
    })

    test('only own properties of options count', async () => {
      const [one] = await bench.pair()
      const inherited = Object.create({ timeout: -1 }) as object
      await one.send(Buffer.from('x'), inherited)
    })
  })

  describe('receive and the stream', () => {
    test('do not go together: who waits is told when the stream begins to be read', async () => {
      const [one, other] = await bench.pair()
      const waiting = one.receive()
      one.resume()
      await expect(waiting).rejects.toThrow(mixed)
      await expect(one.receive()).rejects.toThrow(mixed)
      other.write('for the stream')
      expect(String(((await once(one, 'data')) as [Buffer])[0])).toBe('for the stream')
    })

    test('writing the stream goes with receive', async () => {
      const [one, other] = await bench.pair()
      one.write('question')
      expect(await received(other)).toBe('question')
      other.write('answer')
      expect(await received(one)).toBe('answer')
    })
  })

  if (serverUnderTest === undefined) return
  const servers = bench.withServer(serverUnderTest)

  describe('wrong arguments of a server', () => {
    test.each(waitOptions)('%s', async (_, options) => {
      const { server, address } = await servers.listen()
      expect(() => server.accept(options)).toThrow(wrong)
      expect(() => serverUnderTest.connect(address, options)).toThrow(wrong)
    })

    test.each<[string, object]>([
      ['a signal that is none', { signal: {} }],
      ['an option that is unknown', { misspelt: true }],
      ['allowHalfOpen that is no boolean', { allowHalfOpen: 1 }],
      ['a negative highWaterMark', { highWaterMark: -1 }],
    ])('of listen: %s', (_, options) => {
      expect(() => serverUnderTest.listen(serverUnderTest.address(), options)).toThrow(wrong)
    })
  })
}
