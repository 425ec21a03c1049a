// The same decision made by the server itself: who is refused is closed before a byte is read.
//
//   node examples/auth-server/lines.mjs /tmp/lines.sock
//   socat - UNIX-CONNECT:/tmp/lines.sock
import { allow, UnixServer } from 'sluice'

const server = await UnixServer.listen(process.argv[2], {
  mode: 0o666,
  authorize: allow({ sameUser: true }),
})
process.on('SIGTERM', () => server.close())
console.log('listening')

for await (const connection of server) {
  connection.on('error', (error) => console.error(error.message))
  connection.end(`hello, user ${connection.peer.uid}, process ${connection.peer.pid}\n`)
  connection.resume()
}
