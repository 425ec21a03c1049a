// A node:http server over a Unix socket that everybody can reach and only this user may use.
//
//   node examples/auth-server/http.mjs /tmp/http.sock
//   curl --unix-socket /tmp/http.sock http://localhost/
import { createServer } from 'node:http'
import { FileDescriptor, peerCredentials, UnixServer } from 'sluice'

const path = process.argv[2] ?? '/tmp/sluice-http.sock'

const server = createServer((request, response) => {
  const peer = peerCredentials(request)
  if (!peer.sameUser) {
    response.writeHead(403).end(`user ${peer.uid} may not\n`)
    return
  }
  response.end(`hello, user ${peer.uid}, process ${peer.pid}\n`)
})

// It has the name, with its mode from the first instant, and removes what a killed server has left.
const name = await UnixServer.listen(path, { mode: 0o666 })
server.listen({ fd: FileDescriptor.duplicate(name.fd).detach() }, () => {
  console.log(`listening on ${path}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close()
    name.close()
  })
}
