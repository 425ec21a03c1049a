import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node'

/** JSON-RPC over a connection, which ends together with it. */
export function speak(connection) {
  const rpc = createMessageConnection(
    new StreamMessageReader(connection),
    new StreamMessageWriter(connection),
  )
  rpc.onClose(() => {
    rpc.dispose() // rejects what still waits for an answer
    connection.destroy()
  })
  return rpc
}
