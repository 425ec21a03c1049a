import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { createConnection } from 'node:net'
import { getSystemErrorName, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'

import { isSystemError, Ring, SharedMemory, SluiceError } from '../../lib/index.js'
import { errnoOf, nativeSystemError, nodeError, systemError } from '../../lib/core/errors.js'
import { onWindows, unixOnly } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'

function thrown(call: () => unknown): SluiceError {
  try {
    call()
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('an error', () => {
  test('of a system call has the name as its code, the call, the number, and the address', () => {
    const error = thrown(() => SharedMemory.open('/sluice-no-such-name'))
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'SluiceError',
      code: 'ENOENT',
      ...(onWindows
        ? { syscall: 'OpenFileMapping', errno: -4058, win32: 'ERROR_FILE_NOT_FOUND' }
        : { syscall: 'shm_open', errno: -2 }),
      address: '/sluice-no-such-name',
    })
    const why = onWindows ? 'File not found (Windows error 2)' : 'No such file or directory'
    expect(error.message).toBe(`cannot open shared memory '/sluice-no-such-name': ${why}`)
    expect(error.stack).toContain('errors.test.ts')
  })

  test('of a wrong argument names it, what was expected and what came', () => {
    const error = thrown(() => Ring.create('/x', { capacity: 5 }))
    expect(error.code).toBe('ERR_SLUICE_INVALID_ARGUMENT')
    expect(error.message).toBe(
      'options.capacity must be a power of two from 4096 to 1073741824; received 5',
    )
    for (const field of ['syscall', 'errno', 'win32', 'address', 'path', 'pid']) {
      expect(error).not.toHaveProperty(field)
    }
  })

  test('about a process has its pid', () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    ring.producer()
    expect(thrown(() => ring.producer()).pid).toBe(process.pid)
  })

  test('about a file has its path', () => {
    const error = thrown(() => SharedMemory.mapFile('no such file'))
    expect(error).toMatchObject({ code: 'ENOENT', path: 'no such file' })
    expect(error).not.toHaveProperty('address')
  })

  test('shows what there is to know, and nothing else, when it is printed or copied', () => {
    const error = thrown(() => SharedMemory.open('/sluice-no-such-name'))
    const facts = onWindows
      ? { errno: -4058, syscall: 'OpenFileMapping', win32: 'ERROR_FILE_NOT_FOUND' }
      : { errno: -2, syscall: 'shm_open' }
    const all = { code: 'ENOENT', ...facts, address: '/sluice-no-such-name' }
    expect(Object.assign({}, error)).toEqual(all)
    expect(JSON.parse(JSON.stringify(error))).toEqual(all)
    const names = []
    for (const name in error) names.push(name)
    expect(names).toEqual(Object.keys(all))
    const [first, ...rest] = inspect(error).split('\n')
    expect(first).toBe(`SluiceError: ${error.message}`)
    const shown = rest.filter((line) => !line.startsWith('    at '))
    const listed = Object.entries(all).map(([name, value]) => `${name}: ${inspect(value)}`)
    expect(shown.map((line) => line.trim().replace(/,$/, ''))).toEqual([...listed, '}'])
  })

  test('has only what is its own: what others put into every object is no fact about it', () => {
    const inherited = Object.prototype as { syscall?: string; pid?: number }
    inherited.syscall = 'reboot'
    inherited.pid = 1
    try {
      const error = new SluiceError('ERR_SLUICE_TIMEOUT', 'text')
      expect(Object.keys(error)).toEqual(['code'])
    } finally {
      delete inherited.syscall
      delete inherited.pid
    }
  })

  test('can be made by a user, with a cause', () => {
    const cause = new Error('why')
    const error = new SluiceError('ERR_SLUICE_TIMEOUT', 'text', { cause, pid: 7 })
    expect(error).toMatchObject({ code: 'ERR_SLUICE_TIMEOUT', message: 'text', cause, pid: 7 })
  })
})

describe('isSystemError', () => {
  test('tells errors of system calls from all others, and their codes from each other', () => {
    const missing = thrown(() => SharedMemory.open('/sluice-no-such-name'))
    expect(isSystemError(missing)).toBe(true)
    expect(isSystemError(missing, 'ENOENT')).toBe(true)
    expect(isSystemError(missing, 'EACCES', 'ENOENT')).toBe(true)
    expect(isSystemError(missing, 'EACCES')).toBe(false)
    expect(isSystemError(new SluiceError('ERR_SLUICE_TIMEOUT', 'text'))).toBe(false)
    expect(isSystemError(new Error('text'))).toBe(false)
    for (const other of [undefined, null, 'ENOENT', { code: 'ENOENT', syscall: 'x', errno: -2 }]) {
      expect(isSystemError(other)).toBe(false)
    }
  })

  test("tells errors of Node's own calls as well", async () => {
    let missing: unknown
    try {
      readFileSync('no such file')
    } catch (error) {
      missing = error
    }
    expect(isSystemError(missing, 'ENOENT')).toBe(true)
    const refused = await new Promise((resolve) => {
      createConnection(onWindows ? '\\\\.\\pipe\\sluice-nobody' : '/no/such/socket').on(
        'error',
        resolve,
      )
    })
    expect(isSystemError(refused, 'ENOENT')).toBe(true)
  })
})

describe('the name of a number', () => {
  test('is the one that Node has for it', () => {
    const { code, errno = 0, message } = systemError('cannot', 'call', errnoOf('EPIPE'))
    expect(code).toBe('EPIPE')
    expect(getSystemErrorName(errno)).toBe('EPIPE')
    expect(message).toMatch(/^cannot: EPIPE, broken pipe/)
  })

  unixOnly('Windows has numbers of its own')('is known where only the system has one', () => {
    expect(systemError('', 'fcntl', -constants.errno.ENOLCK).code).toBe('ENOLCK')
    expect(systemError('', 'call', -4000).code).toBe('UNKNOWN')
  })

  test.each([
    [2, 'CreateFile', 'ENOENT', 'ERROR_FILE_NOT_FOUND'],
    [5, 'CreateFile', 'EPERM', 'ERROR_ACCESS_DENIED'],
    [5, 'CreateNamedPipe', 'EADDRINUSE', 'ERROR_ACCESS_DENIED'],
    [6, 'DuplicateHandle', 'EBADF', 'ERROR_INVALID_HANDLE'],
    [8, 'CreateThread', 'ENOMEM', 'ERROR_NOT_ENOUGH_MEMORY'],
    [109, 'WriteFile', 'EPIPE', 'ERROR_BROKEN_PIPE'],
    [123, 'CreateNamedPipe', 'EACCES', 'ERROR_INVALID_NAME'],
    [183, 'CreateFileMapping', 'EEXIST', 'ERROR_ALREADY_EXISTS'],
    [231, 'CreateFile', 'EBUSY', 'ERROR_PIPE_BUSY'],
    [231, 'CreateNamedPipe', 'EADDRINUSE', 'ERROR_PIPE_BUSY'],
    [232, 'WriteFile', 'EPIPE', 'ERROR_NO_DATA'],
    [233, 'WriteFile', 'EPIPE', 'ERROR_PIPE_NOT_CONNECTED'],
    [1455, 'CreateFileMapping', 'ENOMEM', 'ERROR_COMMITMENT_LIMIT'],
    [99_999, 'CreateFile', 'UNKNOWN', 'ERROR_UNKNOWN'],
  ])('is portable on Windows: %i of %s is %s', (number, syscall, code, win32) => {
    const error = nativeSystemError('text', syscall, number, { address: 'name' }, 'win32')
    expect(Object.assign({}, error)).toEqual({
      code,
      syscall,
      win32,
      errno: error.errno,
      address: 'name',
    })
    expect(getSystemErrorName(error.errno ?? 0)).toBe(code)
  })
})

test("a call that Node's permission model forbids has the code of a missing permission", () => {
  const cause = Object.assign(new Error('Access to this API has been restricted'), {
    code: 'ERR_ACCESS_DENIED',
    permission: 'FileSystemRead',
  })
  const error = nodeError('cannot list', 'scandir', cause, { path: '/dev/shm' })
  expect(error).toMatchObject({ code: 'EACCES', syscall: 'scandir', path: '/dev/shm', cause })
  expect(error.message).toMatch(/restricted/)
})

test('docs/errors.md lists every code of sluice, and no other', () => {
  const codesIn = (file: string, pattern: RegExp) =>
    [...readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').matchAll(pattern)].map(
      ([, code]) => code,
    )
  const listed = codesIn('docs/errors.md', /^\| `(ERR_SLUICE_\w+)` \|/gm)
  expect(listed).toEqual(codesIn('lib/core/error_codes.ts', /^ {2}\| '(ERR_SLUICE_\w+)'$/gm))
  expect(listed.length).toBeGreaterThan(0)
})
