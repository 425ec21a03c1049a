// JSON-RPC as language servers speak it, over any address; shared memory here.
//
//   npm install vscode-jsonrpc
//   node examples/jsonrpc/server.mjs shm:rpc
//   node examples/jsonrpc/client.mjs shm:rpc
import { setTimeout as delay } from 'node:timers/promises'
import { ResponseError } from 'vscode-jsonrpc/node'
import { listen } from 'sluice'
import { speak } from './speak.mjs'

const requestCancelled = -32800 // as the Language Server Protocol has it
const server = await listen(process.argv[2] ?? 'shm:rpc')
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
console.log(`listening on ${server.address}`)

for await (const connection of server) {
  const rpc = speak(connection)
  let noted = 0
  rpc.onNotification('note', () => noted++)
  rpc.onRequest('noted', () => noted)
  rpc.onRequest('add', (a, b) => a + b)
  // Takes an hour, unless the client loses its patience.
  rpc.onRequest('think', async (cancellation) => {
    const stop = new AbortController()
    cancellation.onCancellationRequested(() => stop.abort())
    await rpc.sendNotification('thinking', process.pid)
    try {
      return await delay(3_600_000, 42, { signal: stop.signal, ref: false })
    } catch {
      return new ResponseError(requestCancelled, 'stopped thinking')
    }
  })
  rpc.listen()
}
