/** `sluice nc` through a named pipe of Windows. */
import {
  connectNamedPipe,
  NamedPipeServer,
  type NamedPipeConnection,
  type NamedPipePeer,
} from '../../index.js'
import type { Note } from '../notes.js'
import type { Open } from './transport.js'

export const openNamedPipe: Open = async (name, options, wait, note) => {
  const mode = options.message === true ? 'message' : 'byte'
  const { security, owner } = options
  // Half-open, to see what the peer sends after our own end, where a pipe can be half-closed. A
  // client learns that from the pipe; our own server makes only pipes of messages so.
  if (options.listen !== true) {
    const connection = await connectNamedPipe(name, {
      mode,
      allowHalfOpen: true,
      ...wait,
      ...(owner && { server: owner }),
    })
    tellPeer(connection, 'connected to', note)
    return connection
  }
  const server = await NamedPipeServer.listen(name, {
    mode,
    allowHalfOpen: mode === 'message',
    ...(security && { security }),
  })
  try {
    note(`listening on ${server.address}`)
    const connection = await server.accept(wait)
    tellPeer(connection, 'connection of', note)
    return connection
  } finally {
    server.close()
  }
}

function tellPeer(connection: NamedPipeConnection, what: string, note: Note): void {
  note(`${what} ${describePeer(connection.peer)}`)
  if (connection.peer.userSid !== undefined) return
  // Windows tells a client's user after its first byte.
  connection.once('peer', (peer: NamedPipePeer) => {
    note(`the peer is ${describePeer(peer)}`)
  })
}

function describePeer(peer: NamedPipePeer): string {
  const { pid, sessionId, userName, userSid, integrityLevel, elevated } = peer
  const user = userName === undefined ? userSid : `${userName} (${userSid ?? ''})`
  const facts = [
    pid === undefined ? 'a process' : `process ${String(pid)}`,
    sessionId !== undefined && `session ${String(sessionId)}`,
    user === undefined ? 'a user who is not known yet' : `user ${user}`,
    integrityLevel !== undefined && `integrity ${integrityLevel}`,
    elevated === true && 'elevated',
  ]
  return facts.filter((fact) => fact !== false).join(', ')
}
