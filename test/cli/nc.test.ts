import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

import { connectUnix, UnixDatagram, UnixServer } from '../../lib/index.js'
import { onWindows, skipAllIf } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'
import { abstractName, socketPath } from '../support/sockets.js'
import { started } from '../support/start.js'

skipAllIf(onWindows, 'Windows has no Unix sockets')

const cli = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url))

function nc(...args: string[]): { child: ChildProcessWithoutNullStreams; output: Promise<string> } {
  const child = started(spawn(process.execPath, [cli, 'nc', ...args]))
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let text = ''
  child.stdout.on('data', (data: Buffer) => (text += data.toString()))
  return { child, output: once(child, 'close').then(() => text) }
}

async function noted(child: ChildProcessWithoutNullStreams): Promise<string> {
  return ((await once(child.stderr, 'data')) as [Buffer])[0].toString()
}

test.each(['a path', 'an abstract name'])('connects to %s, and tells the peer', async (where) => {
  const address = where === 'a path' ? socketPath() : abstractName()
  const server = closedAfterTest(await UnixServer.listen(address))
  const { child, output } = nc('-v', `unix:${address}`)
  const note = noted(child)
  const connection = closedAfterTest(await server.accept())
  child.stdin.end('from nc')
  expect((await connection.receive())?.data.toString()).toBe('from nc')
  connection.end('to nc')
  expect(await output).toBe('to nc')
  expect(await note).toContain(`process ${String(process.pid)}, user ${String(process.getuid?.())}`)
})

test('listens, and tells who came', async () => {
  const path = socketPath()
  const { child, output } = nc('-v', '--listen', `unix:${path}`)
  expect(await noted(child)).toContain('listening')
  const note = noted(child)
  const connection = closedAfterTest(await connectUnix(path))
  expect(await note).toContain(`process ${String(process.pid)}`)
  connection.end('to nc')
  expect(await output).toBe('to nc')
  expect(child.exitCode).toBe(0)
})

test('keeps the boundaries of seqpacket', async () => {
  const path = socketPath()
  const server = closedAfterTest(await UnixServer.listen(path, { type: 'seqpacket' }))
  const { child, output } = nc('--seqpacket', `unix:${path}`)
  const connection = closedAfterTest(await server.accept())
  child.stdin.end('message')
  expect((await connection.receive())?.data.toString()).toBe('message')
  await connection.receive()
  connection.end()
  expect(await output).toBe('')
})

test('sends and receives datagrams', async () => {
  const path = socketPath()
  const listener = nc('-v', '--listen', '--datagram', path)
  expect(await noted(listener.child)).toContain('listening')
  const sender = nc('--datagram', `unix:${path}`)
  const got = once(listener.child.stdout, 'data') as Promise<[Buffer]>
  sender.child.stdin.end('datagram')
  expect((await got)[0].toString()).toBe('datagram')
  await sender.output
  const socket = closedAfterTest(await UnixDatagram.bind())
  const next = once(listener.child.stdout, 'data') as Promise<[Buffer]>
  await socket.send(Buffer.from('another'), path)
  expect((await next)[0].toString()).toBe('another')
  listener.child.kill('SIGTERM')
  await listener.output
})

test('a server that is not there is exit code 1 and one line', async () => {
  const { child, output } = nc(`unix:${socketPath()}`)
  const note = noted(child)
  await output
  expect(child.exitCode).toBe(1)
  expect(await note).toMatch(/^sluice nc: cannot connect to .*ENOENT.*\n$/)
})

test.each([[], ['--datagram']])('ends quietly when its reader is gone %j', async (...more) => {
  const path = socketPath()
  const { child } = nc('--listen', '-v', ...more.flat(), path)
  expect(await noted(child)).toContain('listening')
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  child.stdout.destroy()
  const exited = once(child, 'exit')
  if (more.length === 0) {
    const connection = closedAfterTest(await connectUnix(path))
    connection.on('error', () => undefined).write(Buffer.alloc(1_000_000))
  } else {
    const socket = closedAfterTest(await UnixDatagram.bind())
    await socket.send(Buffer.from('x'), path)
  }
  expect(await exited).toEqual([141, null])
  expect(errors).not.toContain('EPIPE')
})

test('a mode for what has none is a usage error', async () => {
  const { child } = nc('--listen', '--mode', '600', '@sluice-test-name')
  expect(await noted(child)).toContain('--mode is for paths')
  expect(await once(child, 'exit')).toEqual([2, null])
})
