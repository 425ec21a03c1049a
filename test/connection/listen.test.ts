/** `listen` and `connect`: addresses, options, and the directory of pipes that are Unix sockets. */
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'

import {
  capabilities,
  connect,
  framed,
  listen,
  parseAddress,
  type Connection,
} from '../../lib/index.js'
import { temporaryFolder } from '../support/folder.js'
import { onWindows } from '../support/platform.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

async function joined(
  address: string,
): Promise<{ address: string; client: Connection; accepted: Connection }> {
  const server = closedAfterTest(await listen(address))
  const client = closedAfterTest(await connect(server.address))
  const accepted = closedAfterTest(await server.accept())
  return { address: server.address, client, accepted }
}

const pipe = () => `pipe:sluice-test-${String(process.pid)}-${String(Math.random()).slice(2)}`

describe('connections say where they lead', () => {
  test.skipIf(onWindows)('of unix:', async () => {
    const name = `unix:${socketPath()}`
    const { address, client, accepted } = await joined(name)
    expect(address).toBe(name)
    expect(client).toMatchObject({ transport: 'unix', remoteAddress: name })
    expect(client.localAddress).toBeUndefined()
    expect(accepted).toMatchObject({ transport: 'unix', localAddress: name })
    expect(accepted.remoteAddress).toBeUndefined()
  })

  test('of pipe:', async () => {
    const name = pipe()
    const { address, client, accepted } = await joined(name)
    expect(address).toBe(name)
    expect(client).toMatchObject({ transport: 'pipe', remoteAddress: name })
    expect(accepted).toMatchObject({ transport: 'pipe', localAddress: name })
    expect(accepted.peer.sameUser).toBe(true)
  })

  test('of shm:', async () => {
    const name = pipe().replace('pipe:', 'shm:')
    const server = closedAfterTest(await listen(name))
    const [client, accepted] = await Promise.all([connect(name), server.accept()])
    closedAfterTest(client)
    closedAfterTest(accepted)
    expect(server.address).toBe(name)
    const has = capabilities().sharedMemory
    const plain = name.replace('shm:', 'pipe:')
    expect(client).toMatchObject({
      transport: has ? 'shm' : 'pipe',
      remoteAddress: has ? name : plain,
    })
    expect(accepted).toMatchObject({ localAddress: has ? name : plain })
    const [one, other] = [framed(client, { codec: 'json' }), framed(accepted, { codec: 'json' })]
    await one.sendMany([1, 2])
    await one.closeWrite()
    expect(await other.receiveMany()).toEqual([1, 2])
    expect(await other.receive()).toBeUndefined()
    await other.closeWrite()
    expect(await one.receive()).toBeUndefined()
  })

  test.each(['tcp:127.0.0.1:0', 'tcp:[::1]:0'])('of %s, with the real ports', async (any) => {
    const { address, client, accepted } = await joined(any)
    expect(address).not.toBe(any)
    expect(parseAddress(address)).toMatchObject({ transport: 'tcp' })
    expect(client).toMatchObject({ transport: 'tcp', remoteAddress: address })
    expect(accepted).toMatchObject({ transport: 'tcp', localAddress: address })
    expect(client.localAddress).toBe(accepted.remoteAddress)
    expect(accepted.peer).toEqual({ user: undefined, sameUser: false })
    // They stay known.
    client.close()
    expect(client.remoteAddress).toBe(address)
  })
})

describe('an option that the transport lacks', () => {
  test.each([
    ['tcp:127.0.0.1:0', { mode: 0o600 }, 'options.mode is of unix:'],
    ['tcp:127.0.0.1:0', { halfClose: true }, 'options.halfClose is of pipe:'],
    ['unix:/tmp/x', { noDelay: true }, 'options.noDelay is of tcp:'],
    ['pipe:x', { noDelay: true }, 'pipe: has no such option'],
    ['shm:x', { mode: 0o600 }, 'options.mode is of unix:'],
    ['tcp:127.0.0.1:0', { misspelt: 1 }, 'options.misspelt is unknown'],
    ['tcp:127.0.0.1:0', { noDelay: 1 }, 'options.noDelay must be a boolean'],
    ['tcp:127.0.0.1:0', { backlog: 0 }, 'options.backlog must be'],
  ])('of listen on %s: %o', (address, options, message) => {
    expect(() => listen(address, options as object)).toThrow(wrong)
    expect(() => listen(address, options as object)).toThrow(message)
  })

  test.each([
    ['tcp:127.0.0.1:1', { type: 'stream' }, 'options.type is of unix:'],
    ['tcp:127.0.0.1:1', { maxConnections: 1 }, 'options.maxConnections is unknown'],
    ['unix:/tmp/x', { noDelay: true }, 'options.noDelay is of tcp:'],
  ])('of connect to %s: %o', (address, options, message) => {
    expect(() => connect(address, options as object)).toThrow(wrong)
    expect(() => connect(address, options as object)).toThrow(message)
  })
})

describe('failures of tcp:', () => {
  test('a port where nobody listens', async () => {
    const server = await listen('tcp:127.0.0.1:0')
    const { address } = server
    server.close()
    await expect(connect(address)).rejects.toMatchObject({
      name: 'SluiceError',
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address,
    })
  })

  test('a port that somebody has', async () => {
    const { address } = closedAfterTest(await listen('tcp:127.0.0.1:0'))
    await expect(listen(address)).rejects.toMatchObject({
      name: 'SluiceError',
      code: 'EADDRINUSE',
      address,
    })
  })

  test('an address of another machine', async () => {
    await expect(listen('tcp:192.0.2.1:0')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  })

  test('a signal that has aborted, and one that aborts', async () => {
    const reason = new Error('enough')
    await expect(connect('tcp:127.0.0.1:1', { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const controller = new AbortController()
    const connecting = connect('tcp:192.0.2.1:9', { signal: controller.signal })
    controller.abort(reason)
    await expect(connecting).rejects.toBe(reason)
    const stop = new AbortController()
    const listening = listen('tcp:localhost:0', { signal: stop.signal })
    stop.abort(reason)
    await expect(listening).rejects.toBe(reason)
  })
})

describe.skipIf(onWindows)('the runtime directory of pipes', () => {
  const before = { ...process.env }

  afterEach(() => {
    for (const name of ['XDG_RUNTIME_DIR', 'TMPDIR']) {
      const value = before[name]
      if (value === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = value
    }
  })

  function runtime(path: string | undefined, temporary?: string): void {
    if (path === undefined) Reflect.deleteProperty(process.env, 'XDG_RUNTIME_DIR')
    else process.env['XDG_RUNTIME_DIR'] = path
    if (temporary !== undefined) process.env['TMPDIR'] = temporary
  }

  async function works(): Promise<void> {
    const server = await listen('pipe:app')
    onTestFinished(() => {
      server.close()
    })
    closedAfterTest(await connect('pipe:app'))
  }

  const refusal = sluiceError('ERR_SLUICE_UNTRUSTED_OWNER')

  test('is a folder of XDG_RUNTIME_DIR, for this user alone', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o700)
    runtime(folder)
    await works()
    expect(statSync(join(folder, 'sluice')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'sluice/app.sock')).isSocket()).toBe(true)
  })

  test.each([undefined, '', 'relative'])('is private without one (%j)', async (path) => {
    const folder = temporaryFolder()
    runtime(path, folder)
    await works()
    const own = join(folder, `sluice-${String(process.geteuid?.())}`)
    expect(statSync(own).mode & 0o777).toBe(0o700)
  })

  test('is refused when others can write into XDG_RUNTIME_DIR', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o777)
    runtime(folder)
    await expect(listen('pipe:app')).rejects.toThrow(refusal)
    await expect(connect('pipe:app')).rejects.toThrow(refusal)
  })

  test('is refused when it is of another user', async () => {
    const folder = temporaryFolder()
    const isRoot = process.geteuid?.() === 0
    if (isRoot) chownSync(folder, 12345, 12345)
    runtime(isRoot ? folder : '/usr')
    await expect(listen('pipe:app')).rejects.toThrow(refusal)
    await expect(connect('pipe:app')).rejects.toThrow(refusal)
  })

  test('is refused when it was made for others, or is a link', async () => {
    const folder = temporaryFolder()
    runtime(undefined, folder)
    const own = join(folder, `sluice-${String(process.geteuid?.())}`)
    const elsewhere = temporaryFolder()
    symlinkSync(elsewhere, own)
    await expect(listen('pipe:app')).rejects.toThrow(refusal)
    await expect(connect('pipe:app')).rejects.toThrow(refusal)
    const open = temporaryFolder()
    runtime(undefined, open)
    const path = join(open, `sluice-${String(process.geteuid?.())}`)
    mkdirSync(path)
    chmodSync(path, 0o755)
    await expect(listen('pipe:app')).rejects.toThrow(refusal)
    await expect(connect('pipe:app')).rejects.toThrow(refusal)
  })

  test('tells that there is no server when there is no directory', async () => {
    runtime(undefined, temporaryFolder())
    await expect(connect('pipe:app')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
