import { describe, expect, test } from 'vitest'

import { Ring, SharedMemory, SluiceError } from '../../lib/index.js'
import { onWindows } from '../support/platform.js'
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
  test('of a system call has the call, its number and name, and the address', () => {
    const error = thrown(() => SharedMemory.open('/sluice-no-such-name'))
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'SluiceError',
      code: 'ERR_SLUICE_SYSTEM',
      ...(onWindows
        ? { syscall: 'OpenFileMapping', errno: -2, errnoCode: 'ERROR_FILE_NOT_FOUND' }
        : { syscall: 'shm_open', errno: -2, errnoCode: 'ENOENT' }),
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
    for (const field of ['syscall', 'errno', 'errnoCode', 'address', 'pid']) {
      expect(error).not.toHaveProperty(field)
    }
  })

  test('about a process has its pid', () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    ring.producer()
    expect(thrown(() => ring.producer()).pid).toBe(process.pid)
  })

  test('can be made by a user, with a cause', () => {
    const cause = new Error('why')
    const error = new SluiceError('ERR_SLUICE_TIMEOUT', 'text', { cause, pid: 7 })
    expect(error).toMatchObject({ code: 'ERR_SLUICE_TIMEOUT', message: 'text', cause, pid: 7 })
  })
})
