// Asks what the server thinks about for an hour. Kill the server, and see what becomes of the request.
//
//   node examples/jsonrpc/wait.mjs shm:rpc
import { connect } from 'sluice'
import { speak } from './speak.mjs'

const connection = await connect(process.argv[2] ?? 'shm:rpc')
const rpc = speak(connection)
rpc.onNotification('thinking', (pid) => console.log(`process ${pid} thinks`))
rpc.listen()

let why = ''
connection.once('error', ({ code }) => (why = ` (${code})`))
await rpc.sendRequest('think').catch(() => {
  console.log(`no answer: the server has gone${why}`)
})
