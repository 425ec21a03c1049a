import { describe, expect, test } from 'vitest'

import {
  connectNamedPipe,
  NamedPipeServer,
  Ring,
  SharedMemory,
  SystemHandle,
} from '../../lib/index.js'
import { notUnderWine, onWindows, skipAllIf, unixOnly } from '../support/platform.js'
import { listen, pipeName } from '../support/pipes.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
const untypedListen = (name: unknown, options?: unknown) =>
  NamedPipeServer.listen(name as string, options as object)
const untypedConnect = connectNamedPipe as (name: unknown, options?: unknown) => Promise<unknown>

unixOnly('Windows has named pipes')('on other systems there are no named pipes', () => {
  expect(() => NamedPipeServer.listen('x')).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
  expect(() => connectNamedPipe('x')).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
  expect(() => SystemHandle.adopt(4)).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
  expect(() => SystemHandle.duplicate(4)).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
  const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
  const ring = closedAfterTest(Ring.anonymous())
  for (const handle of [
    () => memory.handle,
    () => ring.handle,
    () => SharedMemory.fromHandle(4),
    () => Ring.fromHandle(4),
  ]) {
    expect(handle).toThrow(sluiceError('ERR_SLUICE_UNSUPPORTED'))
  }
})

describe('wrong input', () => {
  skipAllIf(!onWindows, 'only Windows has named pipes')

  test.each([
    ['nothing', ''],
    ['a backslash', 'a\\b'],
    ['a NUL', 'a\0b'],
    ['another machine', '\\\\server\\pipe\\app'],
    ['too long', 'x'.repeat(300)],
    ['a number', 7],
  ])('a name: %s', (_what, name) => {
    expect(() => untypedListen(name)).toThrow(invalid)
    expect(() => untypedConnect(name)).toThrow(invalid)
  })

  test.each([
    { mode: 'datagram' },
    { security: 'everybody' },
    { security: {} },
    { maxInstances: 0 },
    { maxInstances: 2, pendingInstances: 3 },
    { pendingInstances: 0 },
    { firstInstance: 1 },
    { rejectRemote: 'yes' },
    { inBufferSize: -1 },
    { signal: {} },
    { misspelt: true },
    { highWaterMark: 0 },
    { endTimeout: -1 },
    { maxMessageLength: 1 },
    { mode: 'message', halfClose: false },
    { allowHalfOpen: true },
    { handles: true },
  ])('of listen: %j', (options) => {
    expect(() => untypedListen('x', options)).toThrow(invalid)
  })

  test.each([
    { mode: 'datagram' },
    { server: 'nobody' },
    { server: { sid: 'me' } },
    { impersonation: 'delegation' },
    { timeout: -1 },
    { maxMessageLength: 1 },
    { mode: 'byte', handles: true },
    { endTimeout: 'never' },
    { misspelt: true },
  ])('of connect: %j', (options) => {
    expect(() => untypedConnect('x', options)).toThrow(invalid)
  })

  test('a security descriptor that cannot be parsed is told with its text', () => {
    expect(() => NamedPipeServer.listen('x', { security: { sddl: 'D:(A;;nonsense)' } })).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT', {
        message: expect.stringContaining('D:(A;;nonsense)') as string,
      }),
    )
  })

  test('a whole path is the same as a bare name', async () => {
    const name = pipeName()
    const server = closedAfterTest(await NamedPipeServer.listen(`\\\\.\\pipe\\${name}`))
    expect(server.address).toBe(`\\\\.\\pipe\\${name}`)
    const [connection, client] = await Promise.all([server.accept(), connectNamedPipe(name)])
    connection.destroy()
    client.destroy()
  })

  test('there is no such pipe', async () => {
    await expect(connectNamedPipe(pipeName())).rejects.toEqual(
      sluiceError('ENOENT', {
        errno: -4058, // libuv's ENOENT, as in errors of Node's own calls
        win32: 'ERROR_FILE_NOT_FOUND',
        syscall: 'CreateFile',
      }),
    )
  })

  test('all instances of the name are taken', async () => {
    const server = await listen({ maxInstances: 1, pendingInstances: 1 })
    await expect(
      NamedPipeServer.listen(server.address, { firstInstance: false, maxInstances: 1 }),
    ).rejects.toEqual(
      sluiceError('EADDRINUSE', {
        win32: 'ERROR_PIPE_BUSY',
        syscall: 'CreateNamedPipe',
      }),
    )
  })

  test('messages cannot be had from a pipe of bytes', async () => {
    const server = await listen()
    await expect(connectNamedPipe(server.address, { mode: 'message' })).rejects.toEqual(invalid)
  })

  notUnderWine('Wine does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE')(
    'the name is already taken',
    async () => {
      const server = await listen()
      await expect(NamedPipeServer.listen(server.address)).rejects.toEqual(
        sluiceError('EADDRINUSE', { win32: 'ERROR_ACCESS_DENIED' }),
      )
    },
  )
})
