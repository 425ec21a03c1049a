// HTTP over shared memory: only the address says so, and with another one it goes over a socket.
//
//   node examples/http-over-shm/server.mjs shm:web
//   node examples/http-over-shm/client.mjs shm:web
import { createServer } from 'node:http'
import { listen } from 'sluice'

const web = createServer((request, response) => {
  if (request.url === '/echo') {
    request.pipe(response)
    return
  }
  // The request's socket is the connection.
  const { transport, peer } = request.socket
  response.end(`hello over ${transport}, ${peer.sameUser ? 'a user of mine' : 'whoever you are'}\n`)
})

web.on('upgrade', (request, connection, head) => {
  connection.on('error', (error) => console.error(error.message))
  connection.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
  )
  connection.write(head)
  connection.pipe(connection)
})

const server = await listen(process.argv[2] ?? 'shm:web')
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close()
    web.closeIdleConnections()
  })
}
console.log(`listening on ${server.address}`)
for await (const connection of server) web.emit('connection', connection)
