import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connectUnix, UnixDatagram, UnixServer } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { makeFifo, temporaryFolder } from '../support/folder.js'
import { onlyIf } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { abstractName, listening, socketPath } from '../support/sockets.js'
import { stress } from '../support/stress.js'

const inUse = sluiceError('EADDRINUSE')

describe('a path', () => {
  test('is there while the server is open, and goes with it and its lock', async () => {
    const server = await listening()
    expect(lstatSync(server.address).isSocket()).toBe(true)
    expect(existsSync(`${server.address}.lock`)).toBe(true)
    server.close()
    expect(existsSync(server.address)).toBe(false)
    expect(existsSync(`${server.address}.lock`)).toBe(false)
  })

  test('is not removed when it is another socket by now', async () => {
    const server = await listening()
    renameSync(server.address, `${server.address}.moved`)
    const other = createServer()
    await once(other.listen(server.address), 'listening')
    server.close()
    expect(lstatSync(server.address).isSocket()).toBe(true)
    other.close()
  })

  test('is removed although the working directory has changed', async () => {
    const directory = temporaryFolder()
    const before = process.cwd()
    onTestFinished(() => {
      process.chdir(before)
    })
    process.chdir(directory)
    const server = await UnixServer.listen('relative')
    process.chdir(before)
    expect(existsSync(join(directory, 'relative'))).toBe(true)
    server.close()
    expect(existsSync(join(directory, 'relative'))).toBe(false)
  })

  test.each([0o600, 0o666, 0o660, 0o777, 0o400])('has exactly the mode %o', async (mode) => {
    const server = await listening({ mode })
    expect(statSync(server.address).mode & 0o777).toBe(mode)
  })

  test('is of this user alone by default, whatever the umask', async () => {
    const umask = process.umask(0)
    onTestFinished(() => {
      process.umask(umask)
    })
    const server = await listening()
    expect(statSync(server.address).mode & 0o777).toBe(0o600)
    const path = socketPath() // under the umask to come nobody but root could use its directory
    process.umask(0o777)
    const wide = await listening({ mode: 0o666 }, path)
    expect(statSync(wide.address).mode & 0o777).toBe(0o666)
  })

  test('never is open to more, as somebody sees who looks all the time', async () => {
    const path = socketPath()
    const watcher = new Child('mode_watcher.mjs', [path])
    expect(await watcher.next()).toBe('watching')
    const umask = process.umask(0)
    onTestFinished(() => {
      process.umask(umask)
    })
    for (let i = 0; i < 2000; i++) (await UnixServer.listen(path, { mode: 0o600 })).close()
    const { seen, modes } = await watcher.ask<{ seen: number; modes: string[] }>('stop')
    expect(seen).toBeGreaterThan(0)
    expect(modes).toEqual(['600'])
    await watcher.finish()
  })

  test('of a living server is EADDRINUSE, and the server goes on', async () => {
    const server = await listening()
    const { ino } = statSync(server.address)
    await expect(UnixServer.listen(server.address)).rejects.toThrow(inUse)
    await expect(UnixServer.listen(server.address, { removeStale: false })).rejects.toThrow(inUse)
    expect(statSync(server.address).ino).toBe(ino)
    closedAfterTest(await connectUnix(server.address))
    closedAfterTest(await server.accept())
  })

  test('of a living server that is not of this library is never taken over', async () => {
    const path = socketPath()
    const server = createServer()
    await once(server.listen(path), 'listening')
    await expect(UnixServer.listen(path)).rejects.toThrow(inUse)
    await expect(UnixServer.listen(path, { type: 'seqpacket' })).rejects.toThrow(inUse)
    await expect(UnixDatagram.bind(path)).rejects.toThrow(inUse)
    const client = createConnection(path)
    await once(client, 'connect')
    client.destroy()
    server.close()
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  test('of a living server with a full backlog is never taken over', async () => {
    const path = socketPath()
    const child = new Child('full_backlog.py', [path], { program: 'python3' })
    expect(await child.next()).toBe('full')
    await expect(UnixServer.listen(path)).rejects.toThrow(inUse)
    child.hangUp()
    await child.finish()
  })

  test('of a server that was killed is taken over', async () => {
    const path = socketPath()
    const child = new Child('listening_server.mjs', [path, 'ref'])
    expect(await child.next()).toBe('listening')
    child.kill('SIGKILL')
    await child.exited
    expect(existsSync(path)).toBe(true)
    await expect(UnixServer.listen(path, { removeStale: false })).rejects.toThrow(inUse)
    await listening({}, path)
    closedAfterTest(await connectUnix(path))
  })

  test('that was left behind by another program is taken over', async () => {
    const path = socketPath()
    execFileSync('python3', ['-c', `import socket; socket.socket(socket.AF_UNIX).bind('${path}')`])
    await listening({}, path)
  })

  onlyIf(process.platform === 'linux', 'only Linux says whether a bound socket listens')(
    'of another program that does not listen yet is not taken over',
    async () => {
      const path = socketPath()
      const child = new Child('bound_socket.py', [path], { program: 'python3' })
      expect(await child.next()).toBe('bound')
      await expect(UnixServer.listen(path)).rejects.toThrow(inUse)
      child.say('listen')
      expect(await child.next()).toBe('listening')
      closedAfterTest(await connectUnix(path))
      child.hangUp()
      await child.finish()
    },
  )

  test.each(['process.exit', 'exception'])('goes with a process that ends by %s', async (how) => {
    const path = socketPath()
    const child = new Child('ending_server.mjs', [path, how])
    await child.exited
    expect(existsSync(path)).toBe(false)
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  test('that is a file, a directory or a link to a socket is never removed', async () => {
    const directory = temporaryFolder()
    const file = join(directory, 'file')
    writeFileSync(file, 'precious')
    await expect(UnixServer.listen(file)).rejects.toThrow(inUse)
    expect(readFileSync(file, 'utf8')).toBe('precious')
    const folder = join(directory, 'folder')
    mkdirSync(folder)
    await expect(UnixServer.listen(folder)).rejects.toThrow(inUse)
    const link = join(directory, 'link')
    symlinkSync(join(directory, 'nowhere'), link)
    await expect(UnixServer.listen(link)).rejects.toThrow(inUse)
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(existsSync(`${file}.lock`)).toBe(false)
  })

  test('whose lock is a file of somebody keeps it, and one that is no file is an error', async () => {
    const path = socketPath()
    writeFileSync(`${path}.lock`, 'mine')
    const server = await listening({}, path)
    server.close()
    expect(readFileSync(`${path}.lock`, 'utf8')).toBe('mine')
    rmSync(`${path}.lock`)
    makeFifo(`${path}.lock`)
    await expect(UnixServer.listen(path)).rejects.toThrow(/not a regular file/)
  })

  const rounds = stress({ short: 1, full: 2 })

  test('is had by exactly one of ten processes that start at once on a stale one', async () => {
    for (let round = 0; round < rounds; round++) {
      const path = socketPath()
      execFileSync('python3', [
        '-c',
        `import socket; socket.socket(socket.AF_UNIX).bind('${path}')`,
      ])
      const children = Array.from({ length: 10 }, () => new Child('racing_server.mjs', [path]))
      await Promise.all(children.map((child) => child.next()))
      for (const child of children) child.say('go')
      const results = await Promise.all(children.map((child) => child.next<string>()))
      expect(results.filter((result) => result === 'listening')).toHaveLength(1)
      expect(results.filter((result) => result === 'EADDRINUSE')).toHaveLength(9)
      closedAfterTest(await connectUnix(path))
      for (const child of children) child.hangUp()
      await Promise.all(children.map((child) => child.finish()))
      expect(existsSync(path)).toBe(false)
    }
  })

  test('gets its directory if that is asked for, with exactly its mode', async () => {
    const umask = process.umask(0o077)
    onTestFinished(() => {
      process.umask(umask)
    })
    const path = join(temporaryFolder(), 'a', 'b', 's')
    await expect(UnixServer.listen(path)).rejects.toThrow(sluiceError('ENOENT'))
    await listening({ makeDirectory: 0o755 }, path)
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o755)
    chmodSync(dirname(path), 0o711)
    await listening({ makeDirectory: 0o755 }, join(dirname(path), 'other'))
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o711)
  })

  test('of 107 bytes is the longest; beyond, the error tells the limit and the length', async () => {
    const directory = temporaryFolder()
    const longest = join(directory, 'x'.repeat(107 - directory.length - 1))
    const server = await listening({}, longest)
    closedAfterTest(await connectUnix(longest))
    expect(server.address).toHaveLength(107)
    const tooLong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT', {
      message: expect.stringMatching(/108 bytes.* limit is 107/) as string,
    })
    expect(() => UnixServer.listen(`${longest}x`)).toThrow(tooLong)
    expect(() => connectUnix(`${longest}x`)).toThrow(tooLong)
    expect(() => UnixDatagram.bind(`${longest}x`)).toThrow(tooLong)
    // Bytes, not characters.
    expect(() => connectUnix('é'.repeat(54))).toThrow(tooLong)
  })
})

describe('an abstract name', () => {
  test('is no file, and is free again at once', async () => {
    const name = abstractName()
    for (let i = 0; i < 3; i++) {
      const server = await listening({}, name)
      closedAfterTest(await connectUnix(name))
      await expect(UnixServer.listen(name)).rejects.toThrow(inUse)
      server.close()
    }
    await expect(connectUnix(name)).rejects.toThrow(sluiceError('ECONNREFUSED'))
  })

  test('is exact: Python finds it by its own bytes', async () => {
    const name = abstractName()
    const server = await listening({}, name)
    const script = `import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0${name.slice(1)}'); s.send(b'exact')`
    execFile('python3', ['-c', script])
    const connection = closedAfterTest(await server.accept())
    expect((await connection.receive())?.data.toString()).toBe('exact')
  })

  test('of a Python server is found', async () => {
    const name = abstractName()
    const child = new Child('python_server.py', [name, 'stream'], { program: 'python3' })
    expect(await child.next()).toBe('listening')
    const connection = closedAfterTest(await connectUnix(name))
    await connection.send(Buffer.from('ping'))
    expect((await connection.receive())?.data.toString()).toBe('ping')
    connection.destroy()
    await child.finish()
  })

  test("stays its socket's as long as that is open", async () => {
    const server = await listening({}, abstractName())
    expect(server.isNamed).toBe(true)
    server.close()
    expect(server.isNamed).toBe(false)
  })

  test('padded is another name, which connecting tries next', async () => {
    const name = abstractName()
    const exact = await listening({}, name)
    const padded = await listening({ padded: true }, name)
    closedAfterTest(await connectUnix(name)).write('to the exact one')
    expect((await closedAfterTest(await exact.accept()).receive())?.data.toString()).toBe(
      'to the exact one',
    )
    exact.close()
    closedAfterTest(await connectUnix(name)).write('to the padded one')
    expect((await closedAfterTest(await padded.accept()).receive())?.data.toString()).toBe(
      'to the padded one',
    )
  })

  test("of a server of Node's net is found, whether this Node pads or not", async () => {
    const name = abstractName()
    const server = createServer((socket) => socket.end('hello'))
    await once(server.listen(`\0${name.slice(1)}`), 'listening')
    const connection = closedAfterTest(await connectUnix(name))
    expect((await connection.receive())?.data.toString()).toBe('hello')
    server.close()
  })

  test("is found by Node's net, as padded as this Node pads", async () => {
    const name = abstractName()
    const pads = Number(process.versions.node.split('.')[0]) <= 20
    const server = await listening({ padded: pads }, name)
    const client = createConnection(`\0${name.slice(1)}`)
    await once(client, 'connect')
    const connection = closedAfterTest(await server.accept())
    client.end('from net')
    expect((await connection.receive())?.data.toString()).toBe('from net')
  })
})

test('a server says whether its path still leads to it, and can have it again', async () => {
  const server = await listening()
  const { address: path } = server
  expect(server.isNamed).toBe(true)
  unlinkSync(path)
  expect(server.isNamed).toBe(false)
  const other = createServer()
  await once(other.listen(path), 'listening')
  expect(server.isNamed).toBe(false)
  other.close()
  await once(other, 'close')
  server.close()
  const again = await listening({}, path)
  expect(again.isNamed).toBe(true)
  const onDescriptor = closedAfterTest(await UnixServer.listen({ fd: again.fd }))
  expect(onDescriptor.isNamed).toBe(false)
})
