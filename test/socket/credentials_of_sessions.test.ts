import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer, get, type IncomingMessage } from 'node:http'
import {
  connect as connectHttp2,
  createSecureServer,
  createServer as createHttp2Server,
  type ClientHttp2Session,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from 'node:http2'
import { createConnection, createServer, type Server } from 'node:net'
import {
  connect as connectTls,
  createServer as createTlsServer,
  TLSSocket,
  type ConnectionOptions,
  type TlsOptions,
} from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connectUnix, peerCredentials } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { attempt, closedAfterTest, sluiceError } from '../support/rings.js'
import { listening, socketPath } from '../support/sockets.js'

// Keys instead of certificates: both sides know them, and there is nothing to make or to expire.
const key = randomBytes(32)
const secured = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
const serverSecrets: TlsOptions = { ...secured, pskCallback: () => key, pskIdentityHint: 'hint' }
const clientSecrets: ConnectionOptions = {
  ...secured,
  pskCallback: () => ({ psk: key, identity: 'test' }),
  checkServerIdentity: () => undefined,
}

function expectThisProcess(source: unknown): void {
  const peer = peerCredentials(source)
  expect(peer).toMatchObject({
    pid: process.pid,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
    sameUser: true,
  })
  expect(peer.isAlive()).toBe(true)
}

async function listens(server: Server): Promise<string> {
  const path = socketPath()
  await once(server.listen(path), 'listening')
  onTestFinished(() => {
    server.close()
  })
  return path
}

function destroyedAfterTest<T extends { destroy(): unknown }>(object: T): T {
  onTestFinished(() => {
    object.destroy()
  })
  return object
}

describe('TLS', () => {
  test("the server's socket and the client's, over a Unix socket", async () => {
    const server = createTlsServer(serverSecrets)
    const path = await listens(server)
    const client = destroyedAfterTest(connectTls({ path, ...clientSecrets }))
    const [accepted] = (await once(server, 'secureConnection')) as [TLSSocket]
    destroyedAfterTest(accepted)
    if (!client.authorized) await once(client, 'secureConnect')
    expect(client.encrypted).toBe(true)
    expectThisProcess(accepted)
    expectThisProcess(client)
    client.write('secret')
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('secret')
  })

  test('before the handshake is done', async () => {
    const server = createServer()
    const path = await listens(server)
    const raw = destroyedAfterTest(createConnection(path))
    const [socket] = (await once(server, 'connection')) as [import('node:net').Socket]
    expectThisProcess(
      destroyedAfterTest(new TLSSocket(socket, { isServer: true, ...serverSecrets })),
    )
    expectThisProcess(raw)
  })

  test('of another process, whose pid it tells', async () => {
    const server = createTlsServer(serverSecrets)
    const path = await listens(server)
    const connected = once(server, 'secureConnection') as Promise<[TLSSocket]>
    const child = new Child('tls_client.mjs', [path, key.toString('hex')])
    const [socket] = await connected
    destroyedAfterTest(socket).on('error', () => undefined)
    expect(peerCredentials(socket).pid).toBe(child.pid)
    child.hangUp()
    await child.finish()
    socket.destroy()
    if (!socket.closed) await once(socket, 'close')
    expect(() => peerCredentials(socket)).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('on a UnixConnection: both ends', async () => {
    const server = await listening()
    const [near, far] = await Promise.all([connectUnix(server.address), server.accept()])
    closedAfterTest(near)
    closedAfterTest(far)
    const accepted = destroyedAfterTest(new TLSSocket(far, { isServer: true, ...serverSecrets }))
    const client = destroyedAfterTest(connectTls({ socket: near, ...clientSecrets }))
    await once(client, 'secureConnect')
    expectThisProcess(accepted)
    expectThisProcess(client)
    client.write('secret')
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('secret')
  })
})

describe('HTTP/2', () => {
  /** Asks once; what the server sees is looked at while it answers. */
  async function exchange(server: Http2Server, session: ClientHttp2Session): Promise<void> {
    onTestFinished(() => {
      session.destroy()
    })
    const seen = new Promise((resolve) => {
      server.once('stream', (stream: ServerHttp2Stream) => {
        const looked = attempt(() => {
          expectThisProcess(stream)
          expectThisProcess(stream.session)
          expectThisProcess(stream.session?.socket)
        })
        stream.respond({ ':status': 200 })
        stream.end('seen')
        resolve(looked)
      })
    })
    const request = session.request({ ':path': '/' })
    request.resume()
    // In the event: a stream that is closed belongs to no session any more.
    const answered = new Promise((resolve) => {
      request.once('response', () => {
        resolve(
          attempt(() => {
            expectThisProcess(session)
            expectThisProcess(session.socket)
            expectThisProcess(request)
          }),
        )
      })
    })
    const closed = once(request, 'close')
    await Promise.all([seen, answered, closed])
  }

  test('without TLS: session, socket and stream, of the server and of the client', async () => {
    const server = createHttp2Server()
    const path = await listens(server)
    await exchange(
      server,
      connectHttp2('http://localhost', { createConnection: () => createConnection(path) }),
    )
  })

  test('with TLS', async () => {
    const server = createSecureServer(serverSecrets)
    const path = await listens(server)
    await exchange(
      server,
      connectHttp2('https://localhost', {
        createConnection: () => connectTls({ path, ALPNProtocols: ['h2'], ...clientSecrets }),
      }),
    )
  })

  test('the request and the response of the compatible interface', async () => {
    const server = createHttp2Server()
    const path = await listens(server)
    const seen = new Promise((resolve) => {
      server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
        resolve(
          attempt(() => {
            expectThisProcess(request)
            expectThisProcess(response)
          }),
        )
        response.end()
      })
    })
    const session = connectHttp2('http://localhost', {
      createConnection: () => createConnection(path),
    })
    onTestFinished(() => {
      session.destroy()
    })
    session.request({ ':path': '/' }).resume()
    await seen
  })

  test('on a UnixConnection: both ends', async () => {
    const server = createHttp2Server()
    const listener = await listening()
    const [near, far] = await Promise.all([connectUnix(listener.address), listener.accept()])
    closedAfterTest(near)
    closedAfterTest(far)
    server.emit('connection', far)
    await exchange(server, connectHttp2('http://localhost', { createConnection: () => near }))
  })

  test('of a session that is closed: there is nobody any more', async () => {
    const server = createHttp2Server()
    const path = await listens(server)
    const session = connectHttp2('http://localhost', {
      createConnection: () => createConnection(path),
    })
    await once(session, 'connect')
    session.destroy()
    if (!session.closed) await once(session, 'close')
    expect(() => peerCredentials(session)).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })
})

test("HTTP on UnixConnections: the request, the response, and the client's response", async () => {
  const listener = await listening()
  const server = createHttpServer((request, response) => {
    expectThisProcess(request)
    expectThisProcess(response)
    response.end('seen')
  })
  const [near, far] = await Promise.all([connectUnix(listener.address), listener.accept()])
  closedAfterTest(near)
  closedAfterTest(far)
  server.emit('connection', far)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ createConnection: () => near }, resolve).on('error', reject)
  })
  expect(response.statusCode).toBe(200)
  expectThisProcess(response)
  response.resume()
  await once(response, 'end')
})
