import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { UnixServer } from '../../../lib/index.js'
import { Child } from '../../support/child.js'
import { openDescriptors, noMoreDescriptorsThan } from '../../support/resources.js'
import { closedAfterTest, sluiceError } from '../../support/rings.js'
import {
  destroyedAfterTest,
  failureOf,
  listenFor,
  sideBySide,
  codeOf,
  textOf,
} from '../../support/side_by_side.js'
import { temporaryFolder } from '../../support/folder.js'
import { listening, socketPath } from '../../support/sockets.js'

sideBySide('listening', (implementation) => {
  test('serves one client after another', async () => {
    const listener = await listenFor(implementation)
    for (let i = 0; i < 50; i++) {
      const client = destroyedAfterTest(await implementation.connect(listener.path))
      const accepted = destroyedAfterTest(await listener.accept())
      accepted.end(String(i))
      expect(await textOf(client)).toBe(String(i))
    }
  })

  test('in a directory that is not there fails with an error that has the path', async () => {
    const path = join(temporaryFolder(), 'nowhere', 's')
    const error = await failureOf(implementation.listen(path))
    // libuv says EACCES for the bind's ENOENT, as Windows would; here it is what the system said.
    expect(codeOf(error)).toBe(implementation.isNode ? 'EACCES' : 'ENOENT')
    expect(error.message).toContain(path)
  })

  test('where a server is fails with EADDRINUSE, and that one goes on', async () => {
    const listener = await listenFor(implementation)
    const error = await failureOf(implementation.listen(listener.path))
    expect(codeOf(error)).toBe('EADDRINUSE')
    expect(error.message).toContain(listener.path)
    destroyedAfterTest(await implementation.connect(listener.path))
    destroyedAfterTest(await listener.accept())
  })

  test('where a file is fails with EADDRINUSE, and the file stays', async () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, 'precious')
    const error = await failureOf(implementation.listen(path))
    expect(codeOf(error)).toBe('EADDRINUSE')
    expect(statSync(path).size).toBe(8)
  })

  test('on a path relative to the working directory', async () => {
    const before = process.cwd()
    onTestFinished(() => {
      process.chdir(before)
    })
    process.chdir(temporaryFolder())
    const listener = await listenFor(implementation, {}, 'relative')
    destroyedAfterTest(await implementation.connect('./relative'))
    destroyedAfterTest(await listener.accept())
    expect(existsSync('relative')).toBe(true)
  })

  test('ends with close: the path is gone and can be had again', async () => {
    const path = socketPath()
    for (let i = 0; i < 3; i++) {
      const listener = await implementation.listen(path)
      expect(existsSync(path)).toBe(true)
      listener.close()
      expect(existsSync(path)).toBe(false)
    }
  })

  test('that ends does not end the connections', async () => {
    const listener = await listenFor(implementation)
    const client = destroyedAfterTest(await implementation.connect(listener.path))
    const accepted = destroyedAfterTest(await listener.accept())
    listener.close()
    client.write('still')
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('still')
    accepted.end('here')
    expect(await textOf(client)).toBe('here')
  })

  test('a hundred times leaves no descriptor open', async () => {
    const path = socketPath()
    const before = openDescriptors()
    for (let i = 0; i < 100; i++) (await implementation.listen(path)).close()
    await noMoreDescriptorsThan(before)
  })

  test('in vain leaves no descriptor open', async () => {
    const listener = await listenFor(implementation)
    const before = openDescriptors()
    for (let i = 0; i < 20; i++) await failureOf(implementation.listen(listener.path))
    await noMoreDescriptorsThan(before)
  })
})

test('the address is the path as it was given, also after close', async () => {
  const path = socketPath()
  const theirs = createServer().listen(path)
  await once(theirs, 'listening')
  expect(theirs.address()).toBe(path)
  theirs.close()
  expect(theirs.address()).toBe(path)
  const ours = await listening({}, path)
  expect(ours.address).toBe(path)
  ours.close()
  expect(ours.address).toBe(path)
})

test('closing twice: an error in net, here nothing happens', async () => {
  const theirs = createServer().listen(socketPath())
  await once(theirs, 'listening')
  theirs.close()
  const error = await new Promise((resolve) => theirs.close(resolve))
  expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
  expect(theirs.listening).toBe(false)
  const ours = await listening()
  ours.close()
  ours.close()
  expect(ours.closed).toBe(true)
})

test('the mode: readableAll and writableAll after the bind in net, here exact from the first instant', async () => {
  const path = socketPath()
  const umask = process.umask(0o077)
  onTestFinished(() => {
    process.umask(umask)
  })
  const theirs = createServer().listen({ path, readableAll: true, writableAll: true })
  await once(theirs, 'listening')
  expect(statSync(path).mode & 0o666).toBe(0o666)
  theirs.close()
  const ours = await listening({ mode: 0o666 }, path)
  expect(statSync(ours.address).mode & 0o777).toBe(0o666)
})

test('a socket that a dead server left: EADDRINUSE in net, here taken over', async () => {
  const path = socketPath()
  const child = new Child('listening_server.mjs', [path, 'ref'])
  expect(await child.next()).toBe('listening')
  child.kill('SIGKILL')
  await child.exited
  const theirs = createServer().listen(path)
  const [error] = (await once(theirs, 'error')) as [Error]
  expect(codeOf(error)).toBe('EADDRINUSE')
  await listening({}, path)
})

test('an inherited descriptor that is none: EINVAL in net, whatever it is, here EBADF', async () => {
  const theirs = createServer().listen({ fd: 987_654 })
  const [error] = (await once(theirs, 'error')) as [Error]
  expect(codeOf(error)).toBe('EINVAL')
  await expect(UnixServer.listen({ fd: 987_654 })).rejects.toThrow(sluiceError('EBADF'))
})

test('options that are no options are refused at the call', () => {
  for (const wrong of [{}, { path: true }, { path: {} }, { fd: -1 }]) {
    expect(() => createServer().listen(wrong as never)).toThrow()
    expect(() => UnixServer.listen(wrong as never)).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
  }
})

test('a connection that was made before close but not accepted: net has it, here it is closed', async () => {
  const path = socketPath()
  const theirs = createServer((socket) => socket.end('accepted'))
  await once(theirs.listen(path), 'listening')
  const one = destroyedAfterTest(createConnection(path))
  expect(await textOf(one)).toBe('accepted')
  theirs.close()
  const ours = closedAfterTest(await UnixServer.listen(path))
  const two = destroyedAfterTest(createConnection(path))
  await once(two, 'connect')
  ours.close()
  // Nobody has asked for it, so nobody could answer it.
  two.on('error', () => undefined)
  await new Promise((resolve) => two.resume().once('close', resolve))
  expect(two.bytesRead).toBe(0)
})
