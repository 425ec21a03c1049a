import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

import { connectUnix } from '../../../lib/index.js'
import { openDescriptors, noMoreDescriptorsThan } from '../../support/resources.js'
import { sluiceError } from '../../support/rings.js'
import {
  closeOf,
  destroyedAfterTest,
  failureOf,
  listenFor,
  recorded,
  sideBySide,
  codeOf,
} from '../../support/side_by_side.js'
import { temporaryFolder } from '../../support/folder.js'
import { abstractName, socketPath } from '../../support/sockets.js'

const isRoot = process.geteuid?.() === 0

sideBySide('connecting fails', (implementation) => {
  test('where nothing is, with ENOENT, and says where', async () => {
    const path = socketPath()
    const error = await failureOf(implementation.connect(path))
    expect(codeOf(error)).toBe('ENOENT')
    expect(error.message).toContain(path)
    expect(error).toMatchObject({ syscall: 'connect', address: path, errno: -2 })
  })

  test('where a file is, with ECONNREFUSED, and leaves the file', async () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, 'precious')
    const error = await failureOf(implementation.connect(path))
    expect(codeOf(error)).toBe('ECONNREFUSED')
    expect(error.message).toContain(path)
  })

  test('at a directory, with ECONNREFUSED', async () => {
    const error = await failureOf(implementation.connect(temporaryFolder()))
    expect(codeOf(error)).toBe('ECONNREFUSED')
  })

  test('below a file, with ENOTDIR', async () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, '')
    const error = await failureOf(implementation.connect(join(path, 's')))
    expect(codeOf(error)).toBe('ENOTDIR')
  })

  test('where a server was, with ECONNREFUSED or ENOENT', async () => {
    const listener = await implementation.listen(socketPath())
    destroyedAfterTest(await implementation.connect(listener.path))
    destroyedAfterTest(await listener.accept())
    listener.close()
    const error = await failureOf(implementation.connect(listener.path))
    expect(['ENOENT', 'ECONNREFUSED']).toContain(codeOf(error))
  })

  test('where this user may not, with EACCES', async () => {
    const listener = await listenFor(implementation)
    const inside = join(dirname(listener.path), 'inside')
    mkdirSync(inside)
    // Root may everything, so it has to be another user for the call.
    chmodSync(dirname(listener.path), isRoot ? 0o700 : 0)
    if (isRoot) process.seteuid?.(12_345)
    // The system is asked at the call, so all can be as before when the answer comes.
    const connecting = failureOf(implementation.connect(listener.path))
    if (isRoot) process.seteuid?.(0)
    chmodSync(dirname(listener.path), 0o700)
    const error = await connecting
    expect(codeOf(error)).toBe('EACCES')
    expect(error.message).toContain(listener.path)
  })

  test('at an abstract name that nobody has, with ECONNREFUSED', async () => {
    const name = abstractName()
    // net writes the NUL that such names begin with; here it is an @, as the system's tools show it.
    const address = implementation.isNode ? `\0${name.slice(1)}` : name
    const error = await failureOf(implementation.connect(address))
    expect(codeOf(error)).toBe('ECONNREFUSED')
  })

  test('a hundred times, and leaves no descriptor open', async () => {
    const path = socketPath()
    const before = openDescriptors()
    await Promise.all(Array.from({ length: 100 }, () => failureOf(implementation.connect(path))))
    await noMoreDescriptorsThan(before)
  })

  test('and can be tried again when the server is there', async () => {
    const path = socketPath()
    await failureOf(implementation.connect(path))
    const listener = await listenFor(implementation, {}, path)
    destroyedAfterTest(await implementation.connect(path))
    destroyedAfterTest(await listener.accept())
  })
})

test('net makes the socket first and tells of the failure by error and close; here it is a rejection', async () => {
  const path = socketPath()
  const socket = createConnection(path)
  const events = recorded(socket, ['connect', 'error', 'end', 'close'])
  await closeOf(socket)
  expect(events).toEqual(['error', 'close'])
  // A connection that is not connected does not exist: none of its states need to be handled.
  await expect(connectUnix(path)).rejects.toThrow(sluiceError('ENOENT'))
})

test('a path that is too long: an error of the system in net, here a wrong argument', async () => {
  const path = join(temporaryFolder(), 'x'.repeat(200))
  // Node up to version 20 cuts it off in silence: it connects to another path than was said.
  const [error] = (await once(createConnection(path), 'error')) as [Error]
  expect(codeOf(error)).toMatch(/ENOENT|EINVAL|ENAMETOOLONG/)
  expect(() => connectUnix(path)).toThrow(
    sluiceError('ERR_SLUICE_INVALID_ARGUMENT', {
      message: expect.stringContaining('limit is 107') as string,
    }),
  )
})

test.each([
  ['nothing', undefined],
  ['null', null],
  ['an object', {}],
  ['a boolean', true],
])('%s instead of a path is refused at the call', (_, path) => {
  expect(() => createConnection({ path: path as never })).toThrow()
  expect(() => connectUnix(path as never)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
})
