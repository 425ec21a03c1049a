// An HTTP server that can be replaced while it serves. A new one asks the old one, over a Unix
// socket, for the listening socket; the old one answers what still comes to it and ends.
//
//   node examples/hot-restart/server.mjs /tmp/control.sock     again and again
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Server } from 'node:net'
import { allow, connectUnix, isSystemError, UnixServer } from 'sluice'

const control = process.argv[2]
let leaving = false
let predecessor

const server = createServer((request, response) => {
  // The client sends its next request on a new connection, which is the successor's.
  if (leaving) response.setHeader('Connection', 'close')
  response.end(String(process.pid))
})
server.keepAliveTimeout = 0

const inherited = await askPredecessor()
server.listen(inherited === undefined ? { port: 0, host: '127.0.0.1' } : { fd: inherited.detach() })
await once(server, 'listening')

const successors = await controlServer()
console.log(JSON.stringify({ pid: process.pid, port: server.address().port }))

const successor = await successors.accept()
successors.close() // the path is free for the successor
await successor.send(Buffer.from('the listening socket'), { fds: [server] })
await successor.receive() // it listens now
successor.close()
leaving = true
// Not http's close(): that would cut idle keep-alive connections, on which a request may be coming.
Server.prototype.close.call(server)

async function askPredecessor() {
  try {
    const connection = await connectUnix(control)
    const { fds } = await connection.receive()
    predecessor = connection
    return fds[0]
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ECONNREFUSED')) return undefined
    throw error
  }
}

async function controlServer() {
  const result = await UnixServer.listen(control, { authorize: allow({ sameUser: true }) })
  await predecessor?.send(Buffer.from('listening'))
  predecessor?.close()
  return result
}
