/** Names that cannot be had: each message says who is there and what to do. */
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { connectUnix, UnixServer, type SystemErrorCode } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onlyIf, skipAllIf } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { temporaryFolder } from '../support/folder.js'
import { listening, socketPath } from '../support/sockets.js'

skipAllIf(process.platform !== 'linux', 'who holds a lock is told by Linux only')

async function refusal(
  path: string,
  options = {},
  code: SystemErrorCode = 'EADDRINUSE',
): Promise<string> {
  const listen = UnixServer.listen(path, options)
  await expect(listen).rejects.toThrow(sluiceError(code, { address: path }))
  return listen.then(
    () => '',
    (error: unknown) => (error as Error).message,
  )
}

async function elsewhere(path: string): Promise<Child> {
  const child = new Child('listening_server.mjs', [path, 'ref'])
  expect(await child.next()).toBe('listening')
  return child
}

test('a server of another process: its number, and that it can be shared', async () => {
  const path = socketPath()
  const child = await elsewhere(path)
  const message = await refusal(path)
  expect(message).toContain(`process ${String(child.pid)} is there, and holds its lock`)
  expect(message).toMatch(/close that server first, or share it \(cluster workers.*\{ fd \}/)
})

test('a server of this process', async () => {
  const { address } = await listening()
  expect(await refusal(address)).toContain('this process is there, and holds its lock')
  expect(await refusal(address, { removeStale: false })).toContain('a socket is there')
})

test('a server whose path was removed', async () => {
  const path = socketPath()
  const child = await elsewhere(path)
  rmSync(path)
  const message = await refusal(path)
  expect(message).toContain(`process ${String(child.pid)} is there`)
  expect(message).toMatch(/the socket itself was removed; with removeStale: false/)
  const successor = await UnixServer.listen(path, { removeStale: false })
  closedAfterTest(successor)
  closedAfterTest(await connectUnix(path))
})

test('a server of another library', async () => {
  const path = socketPath()
  const server = createServer()
  await once(server.listen(path), 'listening')
  onTestFinished(() => {
    server.close()
  })
  expect(await refusal(path)).toMatch(/this process listens there; close that server, or share it/)
})

test('something else', async () => {
  const path = socketPath()
  writeFileSync(path, 'mine')
  expect(await refusal(path)).toMatch(/something that is not a socket; it is left alone/)
})

test('a folder that is missing', async () => {
  const folder = join(temporaryFolder(), 'a', 'b')
  const path = join(folder, 's')
  const why =
    `cannot bind to '${path}': its directory, '${folder}', does not exist; make it, or let it be made ` +
    'with options.makeDirectory'
  expect(await refusal(path, {}, 'ENOENT')).toBe(why)
  const without = UnixServer.listen(path, { removeStale: false })
  await expect(without).rejects.toMatchObject({ errno: -2, message: why })
})

const asUser = onlyIf(process.geteuid?.() === 0, 'only root can become another user')
const user = { uid: 65534, gid: 65534 }

/** A folder of the user's, with a lock that root has left in it. */
function folderWithLock(): string {
  const folder = join(temporaryFolder(), 'run')
  mkdirSync(folder)
  chmodSync(join(folder, '..'), 0o755)
  chownSync(folder, user.uid, user.gid)
  writeFileSync(join(folder, 's.lock'), '')
  chmodSync(join(folder, 's.lock'), 0o600)
  return join(folder, 's')
}

asUser("root's left-over lock is removed by who may, and the name is had", async () => {
  const path = folderWithLock()
  const child = new Child('listening_server.mjs', [path, 'ref'], user)
  expect(await child.next()).toBe('listening')
  expect(statSync(`${path}.lock`).uid).toBe(user.uid)
  child.kill('SIGTERM')
  await child.exited
})

asUser("a lock that root's server holds is left alone", async () => {
  const path = folderWithLock()
  rmSync(`${path}.lock`)
  const server = closedAfterTest(await UnixServer.listen(path, { mode: 0o666 }))
  const child = new Child('listening_server.mjs', [path, 'ref'], user)
  await child.exited
  expect(child.errors).toMatch(
    /its lock, '.*\.lock', cannot be opened: Permission denied; it belongs/,
  )
  expect(existsSync(`${path}.lock`)).toBe(true)
  closedAfterTest(await connectUnix(path))
  server.close()
})
