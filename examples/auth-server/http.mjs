// A node:http server over a Unix socket that everybody can reach and only this user may use.
//
//   node examples/auth-server/http.mjs /tmp/http.sock
//   curl --unix-socket /tmp/http.sock http://localhost/
import { createServer } from 'node:http'
import { peerCredentials } from 'sluice'

const path = process.argv[2]

const server = createServer((request, response) => {
  const peer = peerCredentials(request)
  if (!peer.sameUser) {
    response.writeHead(403).end(`user ${peer.uid} may not\n`)
    return
  }
  response.end(`hello, user ${peer.uid}, process ${peer.pid}\n`)
})

server.listen({ path, writableAll: true, readableAll: true }, () => console.log('listening'))
process.on('SIGTERM', () => server.close())
