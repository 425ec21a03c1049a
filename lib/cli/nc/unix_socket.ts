/** `sluice nc` through a Unix socket with a connection. */
import { connectUnix, UnixServer, type UnixConnection } from '../../index.js'
import type { Note } from '../notes.js'
import { describeCredentials } from './credentials.js'
import type { Open } from './transport.js'

export const openUnixSocket: Open = async (address, options, wait, note) => {
  // Half-open, to see what the peer sends after our own end.
  const common = { type: options.seqpacket ? 'seqpacket' : 'stream', allowHalfOpen: true } as const
  if (options.listen !== true) {
    const connection = await connectUnix(address, { ...common, ...wait })
    note(`connected to ${describeCredentials(connection.peer)}`)
    return closingDescriptors(connection, note)
  }
  const { mode } = options
  const server = await UnixServer.listen(address, {
    ...common,
    ...(mode !== undefined && { mode }),
  })
  try {
    note(`listening on ${address}`)
    const connection = await server.accept(wait)
    note(`connection of ${describeCredentials(connection.peer)}`)
    return closingDescriptors(connection, note)
  } finally {
    server.close()
  }
}

function closingDescriptors(connection: UnixConnection, note: Note): UnixConnection {
  return connection.on('fds', (fds) => {
    note(`received ${fds.map(({ kind }) => kind).join(', ')}; closed`)
    for (const descriptor of fds) descriptor.close()
  })
}
