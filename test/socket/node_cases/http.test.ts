/** Node's own HTTP on connections of each kind: it asks of a socket whatever net's can do. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, writeFileSync } from 'node:fs'
import {
  createServer,
  request,
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect, onTestFinished, test } from 'vitest'

import {
  closeOf,
  destroyedAfterTest,
  listenFor,
  sideBySide,
  textOf,
  type Connection,
  type Implementation,
} from '../../support/side_by_side.js'
import { temporaryFolder } from '../../support/folder.js'

interface Site {
  server: Server
  /** A connection to it. */
  connect(): Promise<Connection>
}

async function siteOf(implementation: Implementation, listener: RequestListener): Promise<Site> {
  const server = createServer(listener)
  const door = await listenFor(implementation, { allowHalfOpen: true })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    server,
    async connect() {
      const client = destroyedAfterTest(await implementation.connect(door.path))
      server.emit('connection', destroyedAfterTest(await door.accept()))
      return client
    },
  }
}

function ask(connection: Connection, options: object = {}): ClientRequest {
  return request({ createConnection: () => connection, path: '/', ...options })
}

async function answerTo(asked: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return response
}

sideBySide('HTTP', (implementation) => {
  test('a request is answered', async () => {
    const site = await siteOf(implementation, (incoming, response) => {
      response.setHeader('x-url', incoming.url ?? '')
      response.end('hello')
    })
    const asked = ask(await site.connect(), { path: '/some/where' })
    asked.end()
    const response = await answerTo(asked)
    expect([response.statusCode, response.headers['x-url']]).toEqual([200, '/some/where'])
    expect(await textOf(response)).toBe('hello')
  })

  test('keep-alive: many requests one after the other on one connection', async () => {
    const site = await siteOf(implementation, (incoming, response) => {
      incoming.pipe(response)
    })
    const connection = await site.connect()
    let text = ''
    connection.on('data', (chunk: Buffer) => (text += chunk.toString()))
    for (let i = 0; i < 50; i++) {
      connection.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n<${String(i + 10)}>`)
      while (!text.includes(`<${String(i + 10)}>`)) await once(connection, 'data')
    }
    expect(connection.destroyed).toBe(false)
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(50)
  })

  test('pipelined requests are answered in order', async () => {
    const site = await siteOf(implementation, (incoming, response) => {
      response.end(incoming.url)
    })
    const connection = await site.connect()
    const one = (i: number) => `GET /number-${String(i)}. HTTP/1.1\r\nHost: x\r\n\r\n`
    connection.write(Array.from({ length: 20 }, (_, i) => one(i)).join(''))
    connection.write('GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const text = await textOf(connection)
    expect([...text.matchAll(/number-(\d+)\./g)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    )
    expect(text.endsWith('/last\r\n0\r\n\r\n') || text.endsWith('/last')).toBe(true)
  })

  test('large bodies both ways at once', async () => {
    const site = await siteOf(implementation, (incoming, response) => {
      incoming.pipe(response)
    })
    const data = randomBytes(4 * 2 ** 20)
    const asked = ask(await site.connect(), { method: 'POST' })
    asked.end(data)
    const hash = createHash('sha256')
    await pipeline(await answerTo(asked), hash)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(data).digest('hex'))
  })

  test('a file is piped into a request', async () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, 'x'.repeat(300_000))
    let received = 0
    const site = await siteOf(implementation, (incoming, response) => {
      incoming.on('data', (chunk: Buffer) => (received += chunk.length))
      incoming.on('end', () => response.end())
    })
    const asked = ask(await site.connect(), { method: 'POST' })
    createReadStream(path).pipe(asked)
    await textOf(await answerTo(asked))
    expect(received).toBe(300_000)
  })

  test('HEAD has no body, and the connection ends', async () => {
    const site = await siteOf(implementation, (_, response) => {
      response.setHeader('connection', 'close')
      response.end('not sent')
    })
    const connection = await site.connect()
    const asked = ask(connection, { method: 'HEAD' })
    asked.end()
    expect(await textOf(await answerTo(asked))).toBe('')
    await closeOf(connection)
  })

  test('a client that goes in the middle of an answer is noticed', async () => {
    const closed = new Promise<void>((resolve) => {
      void siteOf(implementation, (_, response) => {
        response.on('close', resolve)
        response.on('error', () => undefined)
        response.write(Buffer.alloc(2 ** 20))
      }).then(async (site) => {
        const connection = await site.connect()
        const asked = ask(connection)
        asked.on('error', () => undefined)
        asked.end()
        const response = await answerTo(asked)
        response.on('error', () => undefined)
        await once(response, 'data')
        connection.destroy()
      })
    })
    await closed
  })

  test('a server that goes in the middle of an answer is an error of the response', async () => {
    const site = await siteOf(implementation, (_, response) => {
      response.write('begun')
      response.on('error', () => undefined)
      setImmediate(() => response.socket?.destroy())
    })
    const asked = ask(await site.connect())
    asked.on('error', () => undefined)
    asked.end()
    const response = await answerTo(asked)
    const failed = once(response.resume(), 'error') as Promise<[NodeJS.ErrnoException]>
    expect((await failed)[0].code).toBe('ECONNRESET')
  })

  test('an idle connection times out', async () => {
    const site = await siteOf(implementation, () => undefined)
    site.server.setTimeout(10, (socket) => socket.destroy())
    const connection = await site.connect()
    // On a loaded machine the time may be over before the request was read: then it is a reset.
    connection.on('error', () => undefined)
    connection.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    connection.resume()
    await closeOf(connection)
  })

  test('a request that is none is answered by 400', async () => {
    const site = await siteOf(implementation, () => undefined)
    const connection = await site.connect()
    connection.write('nonsense\r\n\r\n')
    expect(await textOf(connection)).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('upgrade gives the connection away, with what was read already', async () => {
    const site = await siteOf(implementation, () => undefined)
    site.server.on('upgrade', (_, socket, head) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
      )
      socket.write(head)
      socket.pipe(socket)
    })
    const connection = await site.connect()
    let text = ''
    connection.on('data', (chunk: Buffer) => (text += chunk.toString()))
    connection.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhead',
    )
    while (!text.endsWith('head')) await once(connection, 'data')
    connection.write(' and more')
    while (!text.endsWith('head and more')) await once(connection, 'data')
    connection.end()
    await closeOf(connection)
  })
})
