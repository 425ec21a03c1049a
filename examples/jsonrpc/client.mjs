// Asks, tells, asks much at once, and loses its patience.
//
//   node examples/jsonrpc/client.mjs shm:rpc
import { once } from 'node:events'
import { CancellationTokenSource } from 'vscode-jsonrpc/node'
import { connect } from 'sluice'
import { speak } from './speak.mjs'

const connection = await connect(process.argv[2] ?? 'shm:rpc')
const rpc = speak(connection)
rpc.listen()

console.log(`2 + 3 = ${await rpc.sendRequest('add', 2, 3)}`)

const sums = await Promise.all(Array.from({ length: 1000 }, (_, i) => rpc.sendRequest('add', i, i)))
console.log(`${sums.filter((sum, i) => sum === 2 * i).length} of 1000 sums are right`)

for (let i = 0; i < 10; i++) void rpc.sendNotification('note')
console.log(`${await rpc.sendRequest('noted')} notes were noted`)

const patience = new CancellationTokenSource()
rpc.onNotification('thinking', () => patience.cancel())
await rpc.sendRequest('think', patience.token).catch((error) => {
  console.log(`cancelled: ${error.message}`)
})

connection.end()
await once(connection, 'close')
