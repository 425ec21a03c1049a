// The same decision made by the server itself: who is refused is closed before a byte is read.
//
//   node examples/auth-server/lines.mjs /tmp/lines.sock
//   socat - UNIX-CONNECT:/tmp/lines.sock
import { allow, UnixServer } from 'sluice'

const path = process.argv[2] ?? '/tmp/sluice-lines.sock'
const server = await UnixServer.listen(path, {
  mode: 0o666,
  authorize: allow({ sameUser: true }),
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
console.log(`listening on ${path}`)

for await (const connection of server) {
  connection.on('error', (error) => console.error(error.message))
  connection.end(`hello, user ${connection.peer.uid}, process ${connection.peer.pid}\n`)
  connection.resume()
}
