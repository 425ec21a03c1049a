import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

import { onWindows, skipAllIf } from '../support/platform.js'
import { temporaryFolder } from '../support/folder.js'
import { socketPath } from '../support/sockets.js'
import { started } from '../support/start.js'

skipAllIf(onWindows, 'Windows has no Unix sockets')

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

/** Started, and listening; returns how to kill it, which leaves its socket to the next. */
async function serving(example: string, path: string): Promise<() => Promise<void>> {
  const server = started(
    spawn(process.execPath, [join(root, 'examples', example), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  const exited = once(server, 'exit')
  const kill = async () => {
    server.kill('SIGKILL')
    await exited
  }
  onTestFinished(kill)
  await once(server.stdout, 'data')
  chmodSync(dirname(path), 0o755)
  return kill
}

/** An example must work again after it has run. */
async function twice(body: () => Promise<void>): Promise<void> {
  for (let round = 0; round < 2; round++) await body()
}

/** The output of the script, run as this user or another. */
async function asUser(uid: number | undefined, script: string, ...args: string[]): Promise<string> {
  // After the imports: the other user may not be able to read Python's files.
  const become =
    uid === undefined
      ? ''
      : `os.setgroups([]); os.setgid(${String(uid)}); os.setuid(${String(uid)})`
  const program = `import os, socket, sys\n${become}\n${script}`
  return (await run('python3', ['-c', program, ...args])).stdout
}

test('auth-server answers this user, and 403 to others', async () => {
  const path = socketPath()
  const ask = `s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
print(s.makefile().read())`
  await twice(async () => {
    const kill = await serving('auth-server/http.mjs', path)
    expect(await asUser(undefined, ask, path)).toMatch(/^HTTP\/1.1 200 .*hello, user/s)
    if (isRoot) {
      expect(await asUser(1234, ask, path)).toMatch(/^HTTP\/1.1 403 .*user 1234 may not/s)
    }
    await kill()
  })
})

test('auth-server with authorize closes the others before a byte', async () => {
  const path = socketPath()
  const ask = `s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
print(s.makefile().read() or 'nothing')`
  await twice(async () => {
    const kill = await serving('auth-server/lines.mjs', path)
    expect(await asUser(undefined, ask, path)).toMatch(/^hello, user/)
    if (isRoot) expect(await asUser(1234, ask, path)).toBe('nothing\n')
    await kill()
  })
})

test('hot-restart: under load no request fails', async () => {
  await twice(async () => {
    const { stdout, stderr } = await run(process.execPath, [
      join(root, 'examples/hot-restart/main.mjs'),
    ])
    expect({ stdout, stderr }).toEqual({
      stdout: '4 servers answered, 0 requests failed\n',
      stderr: '',
    })
  })
})

test('log-sink: the worker writes into files that it could not open', async () => {
  const paths = ['one', 'two'].map((name) => join(temporaryFolder(), name))
  await twice(async () => {
    await run(process.execPath, [join(root, 'examples/log-sink/supervisor.mjs'), ...paths])
  })
  const uid = isRoot ? 65_534 : process.getuid?.()
  for (const path of paths) {
    expect(readFileSync(path, 'utf8')).toBe(`written by user ${String(uid)}\n`.repeat(2))
  }
})

test('wayland-like: descriptors in mid-stream come to the right messages', async () => {
  const path = socketPath()
  await twice(async () => {
    const kill = await serving('wayland-like/compositor.mjs', path)
    const client = join(root, 'examples/wayland-like/client.mjs')
    const { stdout } = await run(process.execPath, [client, path])
    expect(stdout).toBe('client: 10 sums are right\n')
    await kill()
  })
})
