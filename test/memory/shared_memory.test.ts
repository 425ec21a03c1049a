import { closeSync, fstatSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { capabilities, SharedMemory } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { makeFifo } from '../support/folder.js'
import { asRootForOthers, onWindows, unixOnly } from '../support/platform.js'
import { openDescriptors } from '../support/resources.js'
import { closedAfterTest, sluiceError, systemFailure, uniqueName } from '../support/rings.js'
import { stress } from '../support/stress.js'

function create(name: string, options: Partial<Parameters<typeof SharedMemory.create>[1]> = {}) {
  return closedAfterTest(SharedMemory.create(name, { size: 4096, ...options }))
}

function open(name: string, options?: Parameters<typeof SharedMemory.open>[1]) {
  return closedAfterTest(SharedMemory.open(name, options))
}

describe('a named object', () => {
  test('is zeroed, and shared by all who open it', () => {
    const name = uniqueName()
    const a = create(name)
    const b = open(name)
    expect(new Uint8Array(a.buffer).every((byte) => byte === 0)).toBe(true)
    new Uint8Array(a.buffer)[4095] = 7
    expect(new Uint8Array(b.buffer)[4095]).toBe(7)
    expect([a.size, b.size, b.buffer.byteLength]).toEqual([4096, 4096, 4096])
  })

  test('is shared with another process', async () => {
    const name = uniqueName()
    const memory = create(name, { size: 8 })
    const child = new Child('memory.mjs', [name])
    const words = new Int32Array(memory.buffer)
    words[0] = 41
    await child.ask({ add: 1 })
    expect(words[0]).toBe(42)
    child.hangUp()
    await child.finish()
  })

  test.each(['with', 'without'])('may be named %s a leading slash', (how) => {
    const name = uniqueName()
    const memory = create(how === 'with' ? name : name.slice(1))
    expect(memory.name).toBe(name)
    expect(open(name.slice(1)).name).toBe(name)
  })

  unixOnly('a section is whole pages')(
    'may have any size, also none that is a multiple of a page',
    () => {
      const memory = create(uniqueName(), { size: 5001 })
      expect(memory.buffer.byteLength).toBe(5001)
    },
  )

  unixOnly('access is by user on Windows, not by mode')('is for this user alone by default', () => {
    const name = uniqueName()
    create(name)
    expect(statSync(`/dev/shm${name}`).mode & 0o777).toBe(0o600)
  })

  unixOnly('access is by user on Windows, not by mode').each([0o600, 0o640, 0o666, 0o777, 0o400])(
    'has mode %o whatever the umask',
    (mode) => {
      const before = process.umask(0o137)
      try {
        const name = uniqueName()
        create(name, { mode })
        expect(statSync(`/dev/shm${name}`).mode & 0o777).toBe(mode)
      } finally {
        process.umask(before)
      }
    },
  )

  test('is an error if it exists', () => {
    const name = uniqueName()
    create(name)
    expect(() => create(name)).toThrow(
      sluiceError('EEXIST', {
        syscall: onWindows ? 'CreateFileMapping' : 'shm_open',
        address: name,
      }),
    )
  })

  test('is opened if it exists, is of this size and need not be new', () => {
    const name = uniqueName()
    const a = create(name, { exclusive: false })
    const b = create(name, { exclusive: false })
    new Uint8Array(a.buffer)[0] = 1
    expect(new Uint8Array(b.buffer)[0]).toBe(1)
    expect(() => create(name, { exclusive: false, size: 8192 })).toThrow(/4096 bytes, not 8192/)
  })

  const rounds = stress({ short: 1, full: 5 })

  test('is made once when several processes make it at once, and each gets it', async () => {
    for (let round = 0; round < rounds; round++) {
      const name = uniqueName()
      const children = Array.from({ length: 4 }, () => new Child('memory_race.mjs', [name]))
      await Promise.all(children.map((child) => child.next()))
      for (const child of children) child.say('go')
      const results = await Promise.all(children.map((child) => child.next<number | string>()))
      expect(results.toSorted()).toEqual([1, 2, 3, 4])
      for (const child of children) child.hangUp()
      await Promise.all(children.map((child) => child.finish()))
    }
  })

  unixOnly('there is no file behind a section')(
    'a pipe in its place is refused, and does not make anybody wait',
    () => {
      const name = uniqueName()
      makeFifo(`/dev/shm${name}`)
      for (const readOnly of [true, false]) {
        expect(() => SharedMemory.open(name, { readOnly })).toThrow(
          sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
        )
      }
      expect(() => SharedMemory.mapFile(`/dev/shm${name}`, { readOnly: true })).toThrow(
        sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
      )
      rmSync(`/dev/shm${name}`)
    },
  )

  test('that does not exist cannot be opened', () => {
    const name = uniqueName()
    expect(() => SharedMemory.open(name)).toThrow(sluiceError('ENOENT', { address: name }))
  })

  unixOnly('a section always has bytes')('without bytes cannot be opened', () => {
    const name = uniqueName()
    closeSync(openSync(`/dev/shm${name}`, 'w', 0o600))
    expect(() => SharedMemory.open(name)).toThrow(/has no bytes/)
  })

  unixOnly('a section loses its name with its last handle only')(
    'loses its name by unlink, and lives on for who has it',
    () => {
      const name = uniqueName()
      const a = create(name)
      const b = open(name)
      a.unlink()
      expect(() => SharedMemory.open(name)).toThrow(/ENOENT|No such file/)
      new Uint8Array(a.buffer)[0] = 3
      expect(new Uint8Array(b.buffer)[0]).toBe(3)
      expect(() => {
        a.unlink()
      }).toThrow(sluiceError('ENOENT'))
    },
  )

  unixOnly('a section loses its name with its last handle only')(
    'can be unlinked by its name, also when it was closed',
    () => {
      const name = uniqueName()
      SharedMemory.create(name, { size: 1 }).close()
      SharedMemory.unlink(name)
      expect(() => SharedMemory.open(name)).toThrow(/No such file/)
    },
  )

  unixOnly('there is no file behind a section')(
    'that does not fit is ENOSPC at its creation, and leaves no name',
    () => {
      const name = uniqueName()
      const before = openDescriptors()
      expect(() => SharedMemory.create(name, { size: 2 ** 50 })).toThrow(
        sluiceError('ENOSPC', { errno: -28, address: name }),
      )
      expect(() => SharedMemory.create(name, { size: 2 ** 50 })).toThrow(/is \/dev\/shm full\?/)
      expect(() => statSync(`/dev/shm${name}`)).toThrow(/ENOENT/)
      expect(openDescriptors()).toEqual(before)
    },
  )

  unixOnly('there is no file behind a section')('has every page allocated when it is made', () => {
    const name = uniqueName()
    create(name, { size: 2 ** 20 })
    expect(statSync(`/dev/shm${name}`).blocks * 512).toBeGreaterThanOrEqual(2 ** 20)
  })
})

describe('an object of another user', () => {
  // Needs root to make one: as another user this test has nobody to play the other with.
  const other = 65534

  async function madeByOther(name: string): Promise<void> {
    await new Child('make_memory.mjs', [name, '/dev/shm'], { uid: other, gid: other }).finish()
  }

  asRootForOthers('is refused', async () => {
    const name = uniqueName()
    await madeByOther(name)
    expect(() => SharedMemory.open(name)).toThrow(sluiceError('ERR_SLUICE_UNTRUSTED_OWNER'))
    expect(() => SharedMemory.open(name, { owner: 12345 })).toThrow(/belongs to user 65534/)
  })

  asRootForOthers('is accepted if the owner is named, or any will do', async () => {
    const name = uniqueName()
    await madeByOther(name)
    expect(open(name, { owner: other }).size).toBe(4096)
    expect(open(name, { owner: 'any' }).size).toBe(4096)
  })
})

describe('a read-only mapping', () => {
  unixOnly('there is no file behind a section')(
    'takes stores, which reach neither the object nor others',
    () => {
      const name = uniqueName()
      const writable = create(name)
      const readOnly = open(name, { readOnly: true })
      new Uint8Array(readOnly.buffer)[0] = 9
      expect(new Uint8Array(readOnly.buffer)[0]).toBe(9)
      expect(new Uint8Array(writable.buffer)[0]).toBe(0)
      expect(readFileSync(`/dev/shm${name}`)[0]).toBe(0)
    },
  )

  test('shows what others store', () => {
    const name = uniqueName()
    const writable = create(name)
    const readOnly = open(name, { readOnly: true })
    new Uint8Array(writable.buffer)[100] = 5
    expect(new Uint8Array(readOnly.buffer)[100]).toBe(5)
  })

  unixOnly('access is by user on Windows, not by mode')(
    'needs no more than the right to read',
    () => {
      const name = uniqueName()
      create(name, { mode: 0o444 })
      expect(() => {
        writeSync(open(name, { readOnly: true }).fd, 'x')
      }).toThrow(/EBADF/)
    },
  )
})

describe('an anonymous object', () => {
  unixOnly('there are no descriptors on Windows')(
    'is shared by all who have its descriptor',
    () => {
      const a = closedAfterTest(SharedMemory.anonymous({ size: 100 }))
      const b = closedAfterTest(SharedMemory.fromFd(a.fd))
      new Uint8Array(b.buffer)[99] = 1
      expect(new Uint8Array(a.buffer)[99]).toBe(1)
      expect([a.name, b.size]).toEqual([undefined, 100])
      expect(a.fd).not.toBe(b.fd)
    },
  )

  unixOnly('there are no descriptors on Windows')('is inherited by its descriptor', async () => {
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 8 }))
    const child = new Child('memory.mjs', [3], { descriptors: [memory.fd] })
    await child.ask({ add: 5 })
    expect(new Int32Array(memory.buffer)[0]).toBe(5)
    child.hangUp()
    await child.finish()
  })

  test('has no name to unlink', () => {
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 1 }))
    expect(() => {
      memory.unlink()
    }).toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
  })

  unixOnly('there are no descriptors on Windows')(
    'is sealed: it can neither shrink nor grow',
    async () => {
      const { ftruncateSync } = await import('node:fs')
      const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
      expect(() => {
        ftruncateSync(memory.fd, 1)
      }).toThrow(/EPERM/)
      expect(() => {
        ftruncateSync(memory.fd, 8192)
      }).toThrow(/EPERM/)
    },
  )

  unixOnly('there are no descriptors on Windows')(
    'is not sealed if not wanted, and then refused from others',
    () => {
      const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096, seal: false }))
      expect(() => SharedMemory.fromFd(memory.fd)).toThrow(sluiceError('ERR_SLUICE_UNSEALED'))
      const trusted = closedAfterTest(SharedMemory.fromFd(memory.fd, { requireSeals: false }))
      expect(trusted.size).toBe(4096)
    },
  )

  unixOnly('there are no descriptors on Windows')('can be mapped copy-on-write', () => {
    const a = closedAfterTest(SharedMemory.anonymous({ size: 16 }))
    const b = closedAfterTest(SharedMemory.fromFd(a.fd, { readOnly: true }))
    new Uint8Array(b.buffer)[0] = 1
    expect(new Uint8Array(a.buffer)[0]).toBe(0)
  })

  unixOnly('huge pages need Linux')(
    'in huge pages is whole ones of them, or an error of the system',
    () => {
      let memory: SharedMemory
      try {
        memory = SharedMemory.anonymous({ size: 1, hugePages: true })
      } catch (error) {
        expect(error).toEqual(systemFailure())
        return
      }
      expect(memory.size).toBe(2 ** 21)
      new Uint8Array(memory.buffer)[2 ** 21 - 1] = 1
      memory.close()
    },
  )

  test('that does not fit is an error of the system', () => {
    expect(() => SharedMemory.anonymous({ size: 2 ** 50 })).toThrow(systemFailure())
  })
})

describe('fromFd', () => {
  unixOnly('there are no descriptors on Windows')(
    'leaves the given descriptor to the caller',
    () => {
      const a = closedAfterTest(SharedMemory.anonymous({ size: 16 }))
      SharedMemory.fromFd(a.fd).close()
      expect(fstatSync(a.fd).size).toBe(16)
    },
  )

  unixOnly('there are no descriptors on Windows')(
    'refuses what is no memory and what is no descriptor',
    () => {
      const directory = openSync('/', 'r')
      try {
        expect(() => SharedMemory.fromFd(directory)).toThrow(
          sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
        )
      } finally {
        closeSync(directory)
      }
      expect(() => SharedMemory.fromFd(2 ** 30)).toThrow(sluiceError('EBADF'))
    },
  )

  unixOnly('there are no descriptors on Windows')(
    'makes descriptors that a child does not inherit',
    () => {
      const memory = closedAfterTest(SharedMemory.anonymous({ size: 16 }))
      const flags = readFileSync(`/proc/self/fdinfo/${String(memory.fd)}`, 'utf8')
      expect(parseInt(/flags:\s+(\d+)/.exec(flags)?.[1] ?? '', 8) & 0o2000000).toBe(0o2000000)
    },
  )
})

describe('buffers', () => {
  test('are the same one each time', () => {
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 16 }))
    expect(memory.buffer).toBe(memory.buffer)
    expect(memory.buffer).toBeInstanceOf(ArrayBuffer)
  })

  test('are shared ones where the runtime can make them, else an error', () => {
    const memory = closedAfterTest(SharedMemory.anonymous({ size: 16 }))
    if (capabilities().sharedArrayBuffer) {
      expect(memory.sharedBuffer).toBeInstanceOf(SharedArrayBuffer)
      expect(memory.sharedBuffer).toBe(memory.sharedBuffer)
      new Uint8Array(memory.sharedBuffer)[0] = 3
      expect(new Uint8Array(memory.buffer)[0]).toBe(3)
    } else {
      expect(() => memory.sharedBuffer).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
    }
  })
})

unixOnly('a section loses its name with its last handle only')(
  'memory says whether its name still leads to it',
  () => {
    const name = uniqueName()
    const old = closedAfterTest(SharedMemory.create(name, { size: 100 }))
    expect(old.isNamed).toBe(true)
    SharedMemory.unlink(name)
    expect(old.isNamed).toBe(false)
    const newer = closedAfterTest(SharedMemory.create(name, { size: 100 }))
    expect([old.isNamed, newer.isNamed]).toEqual([false, true])
    newer.close()
    expect(newer.isNamed).toBe(false)
    SharedMemory.unlink(name)
    expect(closedAfterTest(SharedMemory.anonymous({ size: 100 })).isNamed).toBe(false)
  },
)
