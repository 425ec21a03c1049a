import { chmodSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { Ring, SharedMemory } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onlyIf, onWindows, unixOnly } from '../support/platform.js'
import { openDescriptors } from '../support/resources.js'
import {
  bytes,
  closedAfterTest,
  namedRing,
  sluiceError,
  uniqueName,
  writeWords,
  zeroCopy,
} from '../support/rings.js'

const untyped = Ring as unknown as Record<
  'create' | 'open' | 'openOrCreate' | 'anonymous' | 'fromFd',
  (...args: unknown[]) => Ring
>
const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
const unsupported = sluiceError('ERR_SLUICE_UNSUPPORTED')

describe('a named ring', () => {
  test('is opened by its name', () => {
    const a = namedRing(8192)
    const b = closedAfterTest(Ring.open(a.name))
    expect([b.name, b.capacity, b.maxMessageLength]).toEqual([a.name, 8192, 4080])
    const producer = a.producer()
    producer.tryWrite(bytes('hello'))
    expect(b.consumer().tryRead()?.toString()).toBe('hello')
  })

  unixOnly('access is by user on Windows, not by mode')(
    'has 1 MiB and is for this user alone by default',
    () => {
      const name = uniqueName()
      const ring = closedAfterTest(Ring.create(name))
      expect(ring.capacity).toBe(2 ** 20)
      expect(statSync(`/dev/shm${name}`).mode & 0o777).toBe(0o600)
      expect(statSync(`/dev/shm${name}`).size).toBe(4096 + 2 ** 20)
    },
  )

  unixOnly('access is by user on Windows, not by mode')('has the mode that was asked for', () => {
    const name = uniqueName()
    closedAfterTest(Ring.create(name, { capacity: 4096, mode: 0o666 }))
    expect(statSync(`/dev/shm${name}`).mode & 0o777).toBe(0o666)
  })

  test('cannot be made twice, only opened or made', () => {
    const { name } = namedRing(4096)
    expect(() => Ring.create(name)).toThrow(sluiceError('EEXIST', { address: name }))
    expect(closedAfterTest(Ring.openOrCreate(name, { capacity: 8192 })).capacity).toBe(4096)
    const other = uniqueName()
    expect(closedAfterTest(Ring.openOrCreate(other, { capacity: 8192 })).capacity).toBe(8192)
  })

  test('is one ring when several processes open or make it at once', async () => {
    const name = uniqueName()
    const children = Array.from({ length: 4 }, () => new Child('remote.mjs', [name]))
    await Promise.all(children.map((child) => child.next()))
    for (const child of children) child.say(['openOrCreate'])
    const answers = await Promise.all(children.map((child) => child.next()))
    expect(answers).toEqual(Array.from({ length: 4 }, () => ({ value: null })))
  })

  unixOnly('a section loses its name with its last handle only')(
    'loses its name by unlink, and lives on for who has it',
    () => {
      const a = namedRing()
      const b = closedAfterTest(Ring.open(a.name))
      a.unlink()
      expect(() => Ring.open(a.name)).toThrow(sluiceError('ENOENT'))
      a.producer().tryWrite(bytes('x'))
      expect(b.consumer().tryRead()?.toString()).toBe('x')
    },
  )
})

describe('a name', () => {
  unixOnly('a section loses its name with its last handle only')(
    'that leads elsewhere by now is left alone by unlink, also after close',
    () => {
      const old = namedRing()
      expect(old.isNamed).toBe(true)
      SharedMemory.unlink(old.name)
      expect(old.isNamed).toBe(false)
      expect(() => {
        old.unlink()
      }).toThrow(sluiceError('ENOENT'))
      const newer = closedAfterTest(Ring.create(old.name, { capacity: 4096 }))
      expect([old.isNamed, newer.isNamed]).toEqual([false, true])
      const refused = sluiceError('ERR_SLUICE_INVALID_STATE')
      expect(() => {
        old.unlink()
      }).toThrow(refused)
      old.close()
      expect(() => {
        old.unlink()
      }).toThrow(refused)
      expect(newer.isNamed).toBe(true)
      newer.unlink()
      expect(newer.isNamed).toBe(false)
    },
  )

  test('is not had by an anonymous ring', () => {
    expect(closedAfterTest(Ring.anonymous({ capacity: 4096 })).isNamed).toBe(false)
  })
})

describe('inspect', () => {
  test('says what stats() says, without a role', () => {
    const ring = namedRing()
    const producer = ring.producer()
    producer.tryWrite(bytes('12345678'))
    expect(Ring.inspect(ring.name)).toEqual(ring.stats())
    expect(Ring.inspect(ring.name)).toMatchObject({
      capacity: 4096,
      used: 16,
      producer: { state: 'open', alive: true, pid: process.pid, messages: 1 },
      consumer: { state: 'never', alive: false },
    })
    ring.consumer().close()
    expect(Ring.inspect(ring.name).consumer.state).toBe('closed')
  })

  test('says what is no ring, or not there', () => {
    expect(() => Ring.inspect(uniqueName())).toThrow(sluiceError('ENOENT'))
    const name = uniqueName()
    closedAfterTest(SharedMemory.create(name, { size: 100 }))
    expect(() => Ring.inspect(name)).toThrow(sluiceError('ERR_SLUICE_NOT_A_RING'))
    expect(() => Ring.inspect(5 as never)).toThrow(invalid)
  })

  onlyIf(process.getuid?.() === 0 && zeroCopy, 'only root can start a process as another user')(
    'needs only to read; then nobody says who is alive',
    async () => {
      const ring = namedRing()
      chmodSync(`/dev/shm${ring.name}`, 0o644)
      ring.producer().tryWrite(bytes('x'))
      const child = new Child('inspect.mjs', [ring.name], { uid: 65534, gid: 65534 })
      expect(await child.next()).toMatchObject({
        capacity: 4096,
        used: 16,
        producer: { state: 'open', pid: process.pid, messages: 1 },
        consumer: { state: 'never', messages: 0 },
      })
      await child.finish()
    },
  )
})

describe('an anonymous ring', () => {
  unixOnly('there are no descriptors on Windows')('goes by its descriptor', () => {
    const a = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    const b = closedAfterTest(Ring.fromFd(a.fd))
    a.producer().tryWrite(bytes('x'))
    expect(b.consumer().tryRead()?.toString()).toBe('x')
    expect(a.name).toBeUndefined()
    expect(() => {
      a.unlink()
    }).toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
  })

  unixOnly('there are no descriptors on Windows')(
    'is inherited by a child, whose roles are its own',
    async () => {
      const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
      const child = new Child('remote.mjs', [3], { descriptors: [ring.fd] })
      await child.next()
      await child.ask(['open'])
      await child.ask(['producer'])
      expect(() => ring.producer()).toThrow(
        sluiceError('ERR_SLUICE_ROLE_TAKEN', { pid: child.pid }),
      )
      await child.ask(['write', 'from the child'])
      expect((await ring.consumer().read())?.toString()).toBe('from the child')
    },
  )

  unixOnly('there are no descriptors on Windows')(
    'that others could shrink is refused unless they are trusted',
    () => {
      const memory = closedAfterTest(SharedMemory.anonymous({ size: 8192, seal: false }))
      expect(() => Ring.fromFd(memory.fd)).toThrow(sluiceError('ERR_SLUICE_UNSEALED'))
      expect(() => Ring.fromFd(memory.fd, { requireSeals: false })).toThrow(
        sluiceError('ERR_SLUICE_TIMEOUT'),
      )
    },
  )
})

describe('stats', () => {
  test('say what the ring holds and who is at its ends', () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    const nobody = { state: 'never', alive: false, messages: 0 }
    expect(ring.stats()).toMatchObject({
      capacity: 4096,
      used: 0,
      producer: nobody,
      consumer: nobody,
    })
    const producer = ring.producer()
    producer.tryWrite(bytes('12345678'))
    producer.tryWrite(bytes('1'))
    expect(ring.stats()).toMatchObject({
      used: 32,
      producer: { state: 'open', alive: true, pid: process.pid, messages: 2 },
    })
    const consumer = ring.consumer()
    consumer.tryRead()
    expect(ring.stats()).toMatchObject({ used: 16, consumer: { messages: 1, alive: true } })
    producer.close()
    consumer.abandon()
    expect(ring.stats()).toMatchObject({
      producer: { state: 'closed', alive: false },
      consumer: { state: 'open', alive: false },
    })
  })
})

describe('what is no ring', () => {
  function memory(size: number): string {
    const name = uniqueName()
    closedAfterTest(SharedMemory.create(name, { size }))
    return name
  }
  function magic(): Record<number, number> {
    const text = Buffer.from('SLUICERG')
    return { 0: text.readUInt32LE(0), 4: text.readUInt32LE(4) }
  }
  const good = { ...magic(), 8: 0x20000, 12: 4096, 16: 4096 }

  test('this header is a ring', () => {
    const name = memory(8192)
    writeWords(name, good)
    expect(closedAfterTest(Ring.open(name)).capacity).toBe(4096)
  })

  test('another minor version is a ring too', () => {
    const name = memory(8192)
    writeWords(name, { ...good, 8: 0x20007 })
    expect(closedAfterTest(Ring.open(name)).capacity).toBe(4096)
  })

  test.each([
    ['other magic', { ...good, 4: 1 }],
    ['another header size', { ...good, 12: 8192 }],
    ['no header size', { ...good, 12: 0 }],
    ['capacity 0', { ...good, 16: 0 }],
    ['a capacity that is no power of two', { ...good, 16: 4096 + 8 }],
    ['a capacity below the least', { ...good, 16: 2048 }],
    ['a capacity beyond the largest', { ...good, 16: 2 ** 31 }],
    ['all bits set', { ...good, 12: 2 ** 32 - 1, 16: 2 ** 32 - 1 }],
    ['a capacity beyond its size', { ...good, 16: 8192 }],
  ])('refused: %s', (_, words) => {
    const name = memory(8192)
    writeWords(name, words)
    expect(() => Ring.open(name)).toThrow(sluiceError('ERR_SLUICE_NOT_A_RING'))
  })

  test.each(onWindows ? [1, 100, 4096] : [1, 100, 4096, 8191])(
    'refused: an object of %i bytes',
    (size) => {
      const name = memory(size)
      expect(() => Ring.open(name, { timeout: 0 })).toThrow(sluiceError('ERR_SLUICE_NOT_A_RING'))
    },
  )

  test.each([0x10000, 0x30001, 0xffff0000, 1])('refused: version %i', (version) => {
    const name = memory(8192)
    writeWords(name, { ...good, 8: version })
    expect(() => Ring.open(name)).toThrow(sluiceError('ERR_SLUICE_VERSION_MISMATCH'))
  })

  test('memory that does not become a ring: the wait for it has an end', () => {
    const name = memory(8192)
    for (const timeout of [0, 20]) {
      const late = sluiceError('ERR_SLUICE_TIMEOUT')
      expect(() => Ring.open(name, { timeout })).toThrow(late)
      expect(() => Ring.openOrCreate(name, { timeout })).toThrow(late)
    }
  })

  test('neither memory that is no ring nor a missing name is unfinished', () => {
    expect(Ring.unfinished(memory(8192))).toBeUndefined()
    const missing = uniqueName()
    if (onWindows) return // where nothing is ever unfinished
    expect(() => Ring.unfinished(missing)).toThrow(/No such file/)
    expect(() => Ring.removeHalfMade(missing)).toThrow(/No such file/)
  })

  // The bytes that a creator has written when it dies: none, the first ones, all but the version.
  unixOnly('memory goes with a creator that dies')(
    'half made by a creator that died: said by open, made anew by openOrCreate',
    async () => {
      const { writeFileSync } = await import('node:fs')
      const begun = Buffer.from('SLUICERG')
      for (const content of ['', begun, Buffer.concat([begun, Buffer.alloc(2 ** 20)])]) {
        const name = uniqueName()
        writeFileSync(`/dev/shm${name}`, content, { mode: 0o600 })
        expect(() => Ring.open(name, { timeout: 20 })).toThrow(
          sluiceError('ERR_SLUICE_TIMEOUT', {
            message: expect.stringContaining('openOrCreate makes it anew') as string,
          }),
        )
        expect(Ring.unfinished(name)).toBe('half-made')
        const ring = closedAfterTest(Ring.openOrCreate(name, { capacity: 8192, timeout: 0 }))
        expect(Ring.unfinished(name)).toBeUndefined()
        expect(Ring.removeHalfMade(name)).toBe(false)
        expect(ring.capacity).toBe(8192)
        expect(ring.isNamed).toBe(true)
        expect(ring.producer().tryWrite(bytes('first'))).toBe(true)
        expect(closedAfterTest(Ring.open(name)).consumer().tryRead()?.toString()).toBe('first')
      }
    },
  )

  test('a creator that is late is waited for', async () => {
    const name = uniqueName()
    const child = new Child('late_creator.mjs', [name])
    await child.next() // the name exists, the ring does not
    child.say('go on')
    const ring = closedAfterTest(Ring.open(name, { timeout: 30_000 }))
    expect(ring.capacity).toBe(4096)
    child.hangUp()
    await child.finish()
  })

  test('positions that do not fit each other are found when a role is claimed', () => {
    for (const words of [{ 128: 4096 }, { 256: 4096 }, { 128: 4 }, { 128: 3, 256: 3 }]) {
      const name = memory(8192)
      writeWords(name, { ...good, ...words })
      const ring = closedAfterTest(Ring.open(name))
      const before = openDescriptors()
      const corrupt = sluiceError('ERR_SLUICE_CORRUPT')
      expect(() => ring.producer()).toThrow(corrupt)
      expect(() => ring.consumer()).toThrow(corrupt)
      expect(openDescriptors()).toEqual(before)
    }
  })

  test('a head that the tail, a note, has not come to yet is right if records are there', () => {
    const committed = 0x80000000
    const claim = (words: Record<number, number>) => {
      const name = memory(8192)
      writeWords(name, { ...good, ...words })
      const ring = closedAfterTest(Ring.open(name))
      expect(ring.stats().used).toBe(0)
      return ring.producer()
    }
    // One message of 8 bytes was published and released before its producer noted it and died.
    const producer = claim({ 256: 16, 4096: committed + 8 })
    expect(producer.tryWrite(bytes('x'))).toBe(true)
    expect(() => claim({ 256: 16 })).toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  })

  test('a file that is refused leaves nothing open', () => {
    const name = memory(8192)
    const before = openDescriptors()
    for (let i = 0; i < 10; i++) expect(() => Ring.open(name, { timeout: 0 })).toThrow()
    expect(openDescriptors()).toEqual(before)
  })
})

describe('wrong input', () => {
  test.each(['', '/', '/a/b', '/a\0', '..', `/${'x'.repeat(255)}`, 5, null, undefined])(
    'is refused: the name %j',
    (name) => {
      expect(() => untyped.create(name)).toThrow(invalid)
      expect(() => untyped.open(name)).toThrow(invalid)
      expect(() => untyped.openOrCreate(name)).toThrow(invalid)
    },
  )

  test.each([0, -4096, NaN, 4095, 5000, 2048, 2 ** 31, 4096.5, Infinity, '4096', null, 4096n])(
    'is refused: the capacity %s',
    (capacity) => {
      const naming = /options\.capacity must be a power of two from 4096 to 1073741824; received/
      for (const call of [
        () => untyped.create('/never', { capacity }),
        () => untyped.openOrCreate('/never', { capacity }),
        () => untyped.anonymous({ capacity }),
      ]) {
        expect(call).toThrow(invalid)
        expect(call).toThrow(naming)
      }
    },
  )

  test('is refused: a mode, a timeout, an owner, a descriptor, a spin that is none', () => {
    for (const mode of [-1, 0o1000, '600', null]) {
      expect(() => untyped.create('/never', { mode })).toThrow(invalid)
    }
    for (const timeout of [-1, NaN, Infinity, '5', null]) {
      expect(() => untyped.open('/never', { timeout })).toThrow(invalid)
    }
    expect(() => untyped.open('/never', { owner: 'me' })).toThrow(invalid)
    for (const fd of [-1, NaN, '3', undefined]) {
      expect(() => untyped.fromFd(fd)).toThrow(onWindows ? unsupported : invalid)
    }
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    for (const spin of [-1, NaN, 1e7, '5', null]) {
      expect(() => ring.producer({ spin } as never)).toThrow(invalid)
      expect(() => ring.consumer({ spin } as never)).toThrow(invalid)
    }
  })

  test('is refused: unknown options', () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    expect(() => untyped.create('/never', { size: 4096 })).toThrow(/options\.size is unknown/)
    expect(() => untyped.open('/never', { readOnly: true })).toThrow(/options\.readOnly is unknown/)
    expect(() => untyped.anonymous({ mode: 0o600 })).toThrow(/options\.mode is unknown/)
    if (!onWindows) {
      expect(() => untyped.fromFd(0, { timeout: 0 })).toThrow(/options\.timeout is unknown/)
    }
    expect(() => ring.consumer({ burst: 1 } as never)).toThrow(/options\.burst is unknown/)
  })

  unixOnly('there is no file behind a section')('no room is an error at the creation', () => {
    const name = uniqueName()
    expect(() => SharedMemory.create(name, { size: 2 ** 50 })).toThrow(sluiceError('ENOSPC'))
    expect(() => Ring.open(name)).toThrow(sluiceError('ENOENT'))
  })
})

test('a closed ring says so', () => {
  const ring = namedRing()
  ring.close()
  ring.close()
  const closed = sluiceError('ERR_SLUICE_CLOSED')
  expect(() => ring.producer()).toThrow(closed)
  expect(() => ring.consumer()).toThrow(closed)
  expect(() => ring.stats()).toThrow(closed)
  expect(() => ring.fd).toThrow(closed)
  expect(ring.capacity).toBe(4096)
  ring.unlink()
})
