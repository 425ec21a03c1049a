/** Rules that all arguments have in common, wherever they are taken. */
import { once } from 'node:events'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test } from 'vitest'

import { checkBytes, checkList } from '../../lib/core/arguments.js'
import { Ring, Server, SharedMemory } from '../../lib/index.js'
import { idleAcceptor } from '../support/idle_acceptor.js'
import { connectInMemory, listenInMemory } from '../support/memory_transport.js'
import { unixOnly } from '../support/platform.js'
import { bytes, closedAfterTest, ringWithEnds, sluiceError, uniqueName } from '../support/rings.js'
import { LyingArray, revoked, wrongBytes } from '../support/wrong_values.js'

/** Sets properties of all objects, as a package that was tricked into it would do. */
function pollute(properties: Record<string, unknown>): void {
  Object.assign(Object.prototype, properties)
  onTestFinished(() => {
    for (const key of Object.keys(properties)) Reflect.deleteProperty(Object.prototype, key)
  })
}

describe('options count only as own properties', () => {
  unixOnly('there are no modes on Windows')('the mode of a name', async () => {
    const { statSync } = await import('node:fs')
    const [memory, ring, either] = [uniqueName(), uniqueName(), uniqueName()]
    pollute({ mode: 0o666 })
    closedAfterTest(SharedMemory.create(memory, { size: 1 }))
    closedAfterTest(Ring.create(ring))
    closedAfterTest(Ring.openOrCreate(either))
    for (const name of [memory, ring, either]) {
      expect(statSync(`/dev/shm${name}`).mode & 0o777).toBe(0o600)
    }
  })

  unixOnly('there are no descriptors on Windows')('the demand for seals', () => {
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 2 ** 16, seal: false }))
    pollute({ requireSeals: false })
    const unsealed = sluiceError('ERR_SLUICE_UNSEALED')
    expect(() => SharedMemory.fromFd(memory.fd)).toThrow(unsealed)
    expect(() => SharedMemory.fromFd(memory.fd, {})).toThrow(unsealed)
    expect(() => Ring.fromFd(memory.fd)).toThrow(unsealed)
  })

  test('sizes, which then are missing', () => {
    pollute({ size: 4096 })
    const untyped = SharedMemory as unknown as { anonymous: (options: object) => SharedMemory }
    expect(() => untyped.anonymous({})).toThrow(/options\.size must be/)
    expect(() => untyped.anonymous(Object.create({ size: 1 }) as object)).toThrow(/options\.size/)
  })

  test('an object without a prototype is as good as any', () => {
    const options = Object.assign(Object.create(null) as object, { capacity: 8192 })
    expect(closedAfterTest(Ring.anonymous(options)).capacity).toBe(8192)
  })
})

describe('what cannot be read is a wrong argument', () => {
  const throwing = () => ({
    get capacity(): number {
      throw new Error('mine')
    },
  })

  test('options', () => {
    const refused = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => Ring.anonymous(revoked({}))).toThrow(refused)
    expect(() => SharedMemory.open('/never', revoked({}))).toThrow(refused)
    expect(() => Ring.anonymous(throwing())).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT', {
        cause: expect.objectContaining({ message: 'mine' }),
      }),
    )
  })

  test('values, also those that throw when they are shown', () => {
    const untyped = SharedMemory as unknown as { open: (name: unknown) => SharedMemory }
    const hostile = {
      [Symbol.for('nodejs.util.inspect.custom')]() {
        throw new Error('not shown')
      },
    }
    for (const value of [revoked({}), hostile]) {
      expect(() => untyped.open(value)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    }
  })

  test('handlers', () => {
    const { consumer } = ringWithEnds()
    const handler = revoked(() => undefined)
    expect(() => consumer.drain(handler)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    expect(() => consumer.consume(handler)).toThrow(/handler must be a function/)
  })

  test('signals', () => {
    const { consumer } = ringWithEnds()
    const read = (signal: unknown) => consumer.read({ signal: signal as AbortSignal })
    const forged = [
      revoked({}),
      {},
      { aborted: false },
      { aborted: false, addEventListener: () => undefined },
      { aborted: 'no', addEventListener: () => undefined, removeEventListener: () => undefined },
      null,
      7,
      'abort',
      Object.create(AbortSignal.prototype),
    ]
    for (const signal of forged) {
      expect(() => read(signal)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    }
  })
})

describe('bytes', () => {
  test.each(wrongBytes)('are not %s', (_, value) => {
    expect(() => checkBytes('bytes', value)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  })

  test.each([10, 100_000, -1, NaN, '1000'])('have their true length, and not %j', (length) => {
    expect(() => checkBytes('bytes', new LyingArray(1000, length))).toThrow(
      /bytes must be a Uint8Array with its true byteLength/,
    )
  })

  test('may be of a subclass, or of another realm', () => {
    class Honest extends Uint8Array {
      override get byteLength() {
        return super.byteLength
      }
    }
    const foreign: unknown = runInNewContext('new Uint8Array(3)')
    expect(foreign instanceof Uint8Array).toBe(false)
    for (const value of [new Honest(3), foreign, Buffer.from('abc')]) {
      expect(checkBytes('bytes', value)).toBe(3)
    }
    expect(checkBytes('bytes', new Uint8Array())).toBe(0)
  })
})

test('a list is copied whole: what a sparse array does not have is undefined in it', () => {
  const sparse = [1, , 3]
  const seen: unknown[] = []
  checkList('list', sparse, 3).map((member) => seen.push(member))
  expect(seen).toEqual([1, undefined, 3])
  const refused = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
  expect(() => checkList('list', sparse, 2)).toThrow(/list must have at most 2 members; it has 3/)
  for (const value of [null, 'abc', { length: 1 }, revoked([])]) {
    expect(() => checkList('list', value, 3)).toThrow(refused)
  }
})

describe('signals of other makers', () => {
  /** A signal like that of npm's abort-controller: no reason, no static members. */
  class OldSignal extends EventTarget {
    aborted = false
    listenerCount = 0

    override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
      this.listenerCount++
      super.addEventListener(...args)
    }

    override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
      this.listenerCount--
      super.removeEventListener(...args)
    }

    abort(): void {
      this.aborted = true
      this.dispatchEvent(new Event('abort'))
    }
  }

  function oldSignal(): [OldSignal, AbortSignal] {
    const old = new OldSignal()
    return [old, old as unknown as AbortSignal]
  }

  test('of another realm', async () => {
    const { consumer } = ringWithEnds()
    const controller = new AbortController()
    // jsdom's and vm's are no instances of this realm's class either.
    const foreign = runInNewContext(
      `({
        get aborted() { return signal.aborted },
        get reason() { return signal.reason },
        addEventListener(...args) { signal.addEventListener(...args) },
        removeEventListener(...args) { signal.removeEventListener(...args) },
      })`,
      { signal: controller.signal },
    ) as AbortSignal
    expect(foreign instanceof Object).toBe(false)
    const reading = consumer.read({ signal: foreign })
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
    await expect(consumer.read({ signal: foreign })).rejects.toThrow('enough')
  })

  test('of a maker that knows no reasons: an AbortError', async () => {
    const { producer, consumer } = ringWithEnds()
    const server = new Server(idleAcceptor)
    const [old, signal] = oldSignal()
    const waiting = [consumer.read({ signal }), server.accept({ signal })]
    old.abort()
    const late = [
      consumer.read({ signal }),
      consumer.consume(() => undefined, { signal }),
      consumer.streams({ signal }).next(),
      producer.write(bytes('x'), { signal }),
      producer.ready(1, { signal }),
      server.accept({ signal }),
      listenInMemory('old', { signal }),
      connectInMemory('old', { signal }),
    ]
    await Promise.all(
      [...waiting, ...late].map((one) => expect(one).rejects.toMatchObject({ name: 'AbortError' })),
    )
    expect(old.listenerCount).toBe(0)
  })

  test('of such a maker: it ends a loop over messages', async () => {
    const { consumer } = ringWithEnds()
    const [old, signal] = oldSignal()
    const consuming = consumer.consume(() => undefined, { signal })
    old.abort()
    await expect(consuming).rejects.toMatchObject({ name: 'AbortError' })
    const [other, another] = oldSignal()
    const next = consumer.streams({ signal: another }).next()
    other.abort()
    await expect(next).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('of such a maker: it closes a server, and ends the streams of a ring', async () => {
    const [old, signal] = oldSignal()
    const server = await listenInMemory('old', { signal })
    const accepting = server.accept()
    const { producer, consumer } = ringWithEnds()
    const streams = [consumer.createReadStream({ signal }), producer.createWriteStream({ signal })]
    const ends = streams.map((stream) => once(stream, 'error'))
    old.abort()
    await expect(accepting).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.closed).toBe(true)
    for (const end of ends) expect(await end).toMatchObject([{ name: 'AbortError' }])
    expect(old.listenerCount).toBe(0)
  })
})

test.each(['\ud800', 'a\udc00b'])('a name with half a character is refused: %j', (half) => {
  // In UTF-8 all of them would be the same name.
  const calls: ((name: string) => unknown)[] = [
    (name) => SharedMemory.open(name),
    (name) => SharedMemory.mapFile(name),
    (name) => Ring.open(name),
    (name) => {
      SharedMemory.unlink(name)
    },
  ]
  for (const call of calls) {
    expect(() => call(`/${half}`)).toThrow(/without a lone surrogate; received/)
    expect(() => call(`/${half}`)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  }
  const whole = `${uniqueName()}\u{1f600}`
  closedAfterTest(SharedMemory.create(whole, { size: 1 }))
  SharedMemory.unlink(whole)
})

test('the names of options are told when one is unknown', () => {
  const untyped = Ring as unknown as { anonymous: (options: object) => Ring }
  expect(() => untyped.anonymous({ capasity: 4096 })).toThrow(
    /options\.capasity is unknown; known are capacity/,
  )
})
