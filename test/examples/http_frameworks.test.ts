/** HTTP frameworks over connections of sluice: `server.emit('connection', connection)`, as docs/credentials.md says. */
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import { text } from 'node:stream/consumers'

import express from 'express'
import Fastify from 'fastify'
import { onTestFinished, test, expect } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'

import { connectUnix, peerCredentials, UnixServer } from '../../lib/index.js'
import { socketPath } from '../support/sockets.js'

/** The address at which connections are accepted and given to the HTTP server. */
async function serve(web: Server): Promise<string> {
  const address = socketPath()
  const server = await UnixServer.listen(address)
  const serving = (async () => {
    for await (const connection of server) web.emit('connection', connection)
  })()
  onTestFinished(async () => {
    server.close()
    await serving
    web.closeAllConnections()
  })
  return address
}

async function get(address: string, path: string): Promise<string> {
  const connection = await connectUnix(address)
  const asked = request({ createConnection: () => connection, path }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return text(response)
}

const own = String(process.pid)

test('Express', async () => {
  const app = express()
  app.get('/pid', (asked, answer) => {
    answer.send(String(peerCredentials(asked).pid))
  })
  expect(await get(await serve(createServer(app)), '/pid')).toBe(own)
})

test('Fastify', async () => {
  const app = Fastify()
  app.get('/pid', (asked) => String(peerCredentials(asked.raw).pid))
  await app.ready()
  onTestFinished(() => app.close())
  expect(await get(await serve(app.server), '/pid')).toBe(own)
})

test('ws', async () => {
  const web = createServer()
  const sockets = new WebSocketServer({ server: web })
  sockets.on('connection', (socket, asked) => {
    socket.send(String(peerCredentials(asked).pid))
    socket.on('message', (data: Buffer) => {
      socket.send(`${data.toString()}, too`)
    })
  })
  const address = await serve(web)
  const connection = await connectUnix(address)
  const client = new WebSocket('ws://localhost/', { createConnection: () => connection })
  const [greeting] = (await once(client, 'message')) as [Buffer]
  expect(greeting.toString()).toBe(own)
  client.send('me')
  const [answer] = (await once(client, 'message')) as [Buffer]
  expect(answer.toString()).toBe('me, too')
  client.close()
  await once(client, 'close')
})
