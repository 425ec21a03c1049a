/** `sluice nc` to whatever `connect` and `listen` take. */
import { connect, listen, type Connection } from '../../index.js'
import type { Open } from './transport.js'

export const openAddress: Open = async (address, options, wait, note) => {
  // Half-open, to see what the peer sends after our own end.
  const common = { allowHalfOpen: true }
  if (options.listen !== true) {
    const connection = await connect(address, { ...common, ...wait })
    note(`connected to ${describePeer(connection)}`)
    return connection
  }
  const server = await listen(address, common)
  try {
    note(`listening on ${server.address}`)
    const connection = await server.accept(wait)
    note(`connection of ${describePeer(connection)}`)
    return connection
  } finally {
    server.close()
  }
}

/** TCP tells where the peer is, the others who. */
function describePeer({ peer, transport, remoteAddress }: Connection): string {
  if (transport === 'tcp') return remoteAddress ?? 'a process'
  const process_ = peer.pid === undefined ? 'a process' : `process ${String(peer.pid)}`
  return peer.user === undefined ? process_ : `${process_}, user ${String(peer.user)}`
}
