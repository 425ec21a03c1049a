import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, openSync } from 'node:fs'
import { Agent, createServer as createHttpServer, get, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { createConnection, createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'

import {
  allow,
  capabilities,
  connectUnix,
  peerCredentials,
  socketPair,
  UnixDatagram,
  type PeerCredentials,
  type UnixConnection,
  type UnixServer,
} from '../../lib/index.js'
import { Child, type ChildOptions } from '../support/child.js'
import { asRoot, needs, onlyIf } from '../support/platform.js'
import { openDescriptors, noMoreDescriptorsThan } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { connected, listening, socketPath } from '../support/sockets.js'

const isRoot = process.getuid?.() === 0
const inNamespace = isRoot
  ? needs(hasNamespaces(), 'this system does not let root make a pid namespace by unshare')
  : asRoot

function hasNamespaces(): boolean {
  return spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0
}

/** A server that all users can reach. */
async function openServer(): Promise<UnixServer & { readonly address: string }> {
  const server = await listening({ mode: 0o666 })
  chmodSync(dirname(server.address), 0o755)
  return server
}

/** Python connects, and stays until its stdin ends. */
async function pythonClient(
  server: UnixServer & { readonly address: string },
  options: ChildOptions & { before?: string } = {},
): Promise<{ child: Child; connection: UnixConnection }> {
  // Imported first: another user may not be able to read Python's files.
  const script = `import os, socket, sys
${options.before ?? ''}
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[2])
sys.stdin.read()`
  const child = new Child('/dev/null', [server.address], {
    ...options,
    program: options.program ?? 'python3',
    execArgv: [...(options.execArgv ?? []), '-c', script],
  })
  return { child, connection: closedAfterTest(await server.accept()) }
}

describe('the peer', () => {
  test('is this process when it is', async () => {
    const { client, accepted } = await connected()
    for (const end of [client, accepted]) {
      expect(end.peer.pid).toBe(process.pid)
      expect(end.peer.uid).toBe(process.getuid?.())
      expect(end.peer.gid).toBe(process.getgid?.())
      expect(end.peer.sameUser).toBe(true)
      expect(end.peer.isAlive()).toBe(true)
      const groups = new Set([...(end.peer.groups ?? []), end.peer.gid])
      expect(groups).toEqual(new Set([...(process.getgroups?.() ?? []), process.getgid?.()]))
    }
    const [one, other] = socketPair()
    closedAfterTest(one)
    closedAfterTest(other)
    expect(one.peer.pid).toBe(process.pid)
  })

  asRoot('is another user, of another group', async () => {
    const server = await openServer()
    const { child, connection } = await pythonClient(server, { uid: 12_345, gid: 54_321 })
    expect(connection.peer).toMatchObject({ pid: child.pid, uid: 12_345, gid: 54_321 })
    expect(connection.peer.sameUser).toBe(false)
    expect(allow({ sameUser: true })(connection.peer)).toBe(false)
    expect(allow({ uids: [12_345] })(connection.peer)).toBe(true)
  })

  asRoot('has its supplementary groups, few and many', async () => {
    const server = await openServer()
    for (const count of [1, 3, 500]) {
      const groups = Array.from({ length: count }, (_, i) => 20_000 + i)
      const { connection } = await pythonClient(server, {
        before: `os.setgroups(${JSON.stringify(groups)}); os.setgid(7); os.setuid(8)`,
      })
      expect(connection.peer.groups).toEqual(groups)
      expect(connection.peer).toMatchObject({ uid: 8, gid: 7 })
      expect(allow({ gids: [20_000] })(connection.peer)).toBe(true)
      expect(allow({ gids: [19_999] })(connection.peer)).toBe(false)
    }
  })

  inNamespace(
    'in another pid namespace, seen from inside, has no pid, and gets no signal',
    async () => {
      // The server is in a namespace of its own, where this process has no number.
      const path = socketPath()
      const child = new Child('peer_of_client.mjs', [path], {
        program: 'unshare',
        execArgv: ['--pid', '--fork', '--kill-child', process.execPath],
      })
      expect(await child.next()).toBe('listening')
      closedAfterTest(await connectUnix(path))
      expect(await child.next()).toMatchObject({
        pid: null,
        uid: process.getuid?.(),
        alive: true,
        errno: -22,
        message: expect.stringContaining('is outside of the pid namespace of this one') as string,
      })
      await child.finish()
    },
  )

  test('that has exited is known all the same, and is not alive', async () => {
    const server = await openServer()
    const { child, connection } = await pythonClient(server)
    child.hangUp()
    await child.finish()
    expect(connection.peer).toMatchObject({ pid: child.pid, uid: process.getuid?.() })
    expect(connection.peer.isAlive()).toBe(false)
    expect(connection.peer.kill(0)).toBe(false)
  })

  test('that had exited before it was accepted is known', async () => {
    const server = await openServer()
    const child = new Child('/dev/null', [server.address], {
      program: 'python3',
      execArgv: ['-c', 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[2])'],
    })
    await child.finish()
    const connection = closedAfterTest(await server.accept())
    expect(connection.peer.pid).toBe(child.pid)
    expect(connection.peer.isAlive()).toBe(false)
  })

  test('gives a pidfd that tells of its end', async () => {
    const server = await openServer()
    const before = openDescriptors()
    const { child, connection } = await pythonClient(server)
    const pidfd = closedAfterTest(connection.peer.pidfd() as { close(): void; kind: string })
    expect(pidfd.kind).toBe('other')
    expect(connection.peer.isAlive()).toBe(true)
    child.hangUp()
    await child.finish()
    expect(connection.peer.isAlive()).toBe(false)
    pidfd.close()
    connection.destroy()
    await noMoreDescriptorsThan(before)
  })

  test('is signalled by kill', async () => {
    const server = await openServer()
    const { child, connection } = await pythonClient(server)
    expect(connection.peer.kill(0)).toBe(true)
    expect(connection.peer.kill('SIGKILL')).toBe(true)
    expect((await child.exited).signal).toBe('SIGKILL')
    expect(connection.peer.kill('SIGTERM')).toBe(false)
    expect(() => connection.peer.kill('SIGNOTHING' as never)).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
  })

  test('is known after the connection, but can be reached no more', async () => {
    const { accepted } = await connected()
    accepted.destroy()
    expect(accepted.peer.pid).toBe(process.pid)
    expect(() => accepted.peer.pidfd()).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(() => accepted.peer.isAlive()).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(() => accepted.peer.kill()).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(accepted.peer.securityLabel).toBeUndefined()
  })

  onlyIf(process.platform === 'linux', 'only Linux labels sockets')(
    'has the label that the security module gives it',
    async () => {
      // Python asks the same socket. Without a module that labels sockets (SELinux, AppArmor, Smack)
      // the system says ENOPROTOOPT, and there is no label.
      const { accepted } = await connected()
      const child = new Child('peer_label.py', [], {
        program: 'python3',
        descriptors: [accepted.fd],
      })
      const answer = await child.next<{ label?: string; error?: string }>()
      await child.finish()
      expect(accepted.peer.securityLabel).toBe(answer.label)
      if (answer.label === undefined) expect(answer.error).toBe('ENOPROTOOPT')
    },
  )

  test('is shown as data by JSON', async () => {
    const { accepted } = await connected()
    expect(JSON.parse(JSON.stringify(accepted.peer))).toMatchObject({
      pid: process.pid,
      uid: process.getuid?.(),
    })
  })
})

describe('peerCredentials', () => {
  function isThisProcess(peer: PeerCredentials): void {
    expect(peer).toMatchObject({ pid: process.pid, uid: process.getuid?.() })
    expect(peer.isAlive()).toBe(true)
  }

  test('of a UnixConnection and of its descriptor', async () => {
    const { accepted } = await connected()
    expect(peerCredentials(accepted)).toBe(accepted.peer)
    isThisProcess(peerCredentials(accepted.fd))
  })

  test('of a net.Socket, which after its end can be reached no more', async () => {
    const path = socketPath()
    const server = createServer()
    await once(server.listen(path), 'listening')
    const client = createConnection(path)
    const [socket] = (await once(server, 'connection')) as [Socket]
    const peer = peerCredentials(socket)
    isThisProcess(peer)
    isThisProcess(peerCredentials(client))
    client.destroy()
    socket.destroy()
    await once(socket, 'close')
    expect(() => peer.kill(0)).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    expect(() => peerCredentials(socket)).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    server.close()
  })

  test('of an HTTP request and its response', async () => {
    const socketPath_ = socketPath()
    const server = createHttpServer((incoming, response) => {
      isThisProcess(peerCredentials(incoming))
      isThisProcess(peerCredentials(response))
      response.end('seen')
    })
    await once(server.listen(socketPath_), 'listening')
    const agent = new Agent()
    const response = await new Promise<IncomingMessage>((resolve) =>
      get({ socketPath: socketPath_, agent }, resolve),
    )
    response.resume()
    expect(response.statusCode).toBe(200)
    await once(response, 'end')
    agent.destroy()
    server.close()
  })

  test('of an HTTP/2 session and stream', async () => {
    const path = socketPath()
    const server = createHttp2Server()
    const seen: number[] = []
    server.on('stream', (stream) => {
      isThisProcess(peerCredentials(stream.session))
      isThisProcess(peerCredentials(stream))
      seen.push(1)
      stream.respond({ ':status': 200 })
      stream.end()
    })
    await once(server.listen(path), 'listening')
    const client = connectHttp2('http://localhost', {
      createConnection: () => createConnection(path),
    })
    const stream = client.request({ ':path': '/' })
    stream.resume()
    await once(stream, 'end')
    expect(seen).toEqual([1])
    client.close()
    server.close()
  })

  test('not of a TCP socket, of a file, of nothing', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as { port: number }
    const client = createConnection(port, '127.0.0.1')
    await once(client, 'connect')
    expect(() => peerCredentials(client)).toThrow(sluiceError('ENOTCONN'))
    client.destroy()
    server.close()
    const file = openSync('/dev/null', 'r')
    expect(() => peerCredentials(file)).toThrow(sluiceError('ENOTSOCK'))
    closeSync(file)
    expect(() => peerCredentials(987_654)).toThrow(sluiceError('EBADF'))
    for (const wrong of [undefined, null, -1, 1.5, 'x', {}, { socket: {} }]) {
      expect(() => peerCredentials(wrong)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    }
  })
})

describe('the credentials of a datagram', () => {
  test('are true', async () => {
    const path = socketPath()
    const socket = closedAfterTest(await UnixDatagram.bind(path, { credentials: true }))
    const sender = closedAfterTest(await UnixDatagram.bind())
    await sender.send(Buffer.from('x'), path)
    expect((await socket.receive()).credentials).toEqual({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    })
  })

  test('are not told unless that is asked for', async () => {
    const path = socketPath()
    const socket = closedAfterTest(await UnixDatagram.bind(path))
    const sender = closedAfterTest(await UnixDatagram.bind())
    await sender.send(Buffer.from('x'), path)
    expect((await socket.receive()).credentials).toBeUndefined()
  })

  asRoot('cannot be forged, but by root', async () => {
    const path = socketPath()
    const socket = closedAfterTest(
      await UnixDatagram.bind(path, { credentials: true, mode: 0o666 }),
    )
    chmodSync(dirname(path), 0o755)
    const forge = (claim: string, uid: number) =>
      execFileSync('python3', [
        '-c',
        `import os, socket, struct, sys
os.setgid(${String(uid)}); os.setuid(${String(uid)})
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
claim = struct.pack('iII', ${claim})
try:
    s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, claim)], 0, '${path}')
    print('sent')
except OSError as error:
    print(error.errno)`,
      ])
        .toString()
        .trim()
    expect(forge('os.getpid(), 0, 0', 777)).toBe('1') // EPERM
    expect(forge('1, os.getuid(), os.getgid()', 777)).toBe('1')
    expect(forge('os.getpid(), os.getuid(), os.getgid()', 777)).toBe('sent')
    expect((await socket.receive()).credentials).toMatchObject({ uid: 777, gid: 777 })
    expect(forge('os.getpid(), 5, 6', 0)).toBe('sent')
    expect((await socket.receive()).credentials).toMatchObject({ uid: 5, gid: 6 })
  })
})

test('capabilities tell what there is', () => {
  expect(capabilities()).toMatchObject({
    unixSockets: true,
    seqpacket: process.platform === 'linux',
    abstractNames: process.platform === 'linux',
    descriptorPassing: true,
  })
})
