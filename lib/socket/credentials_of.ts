import { invalidArgument } from '../core/arguments.js'
import { native } from '../core/native.js'
import { checkDescriptor } from './file_descriptor.js'
import { PeerCredentials } from './peer_credentials.js'
import { requireSockets } from './platform.js'

interface HasParts {
  fd?: unknown
  number?: unknown
  peer?: unknown
  socket?: unknown
  session?: unknown
  _parent?: unknown
  _handle?: { fd?: unknown } | null
}

/**
 * Who is at the other end of a connection over a Unix socket: of a descriptor, a `UnixConnection`,
 * a `net.Socket`, an `http.IncomingMessage` or `ServerResponse`, a TLS or HTTP/2 session on one.
 *
 * @throws `ERR_SLUICE_SYSTEM`: `ENOTCONN`, `EBADF`, `ENOTSOCK`; `ERR_SLUICE_INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * import http from 'node:http'
 *
 * const server = http.createServer((request, response) => {
 *   response.statusCode = peerCredentials(request).sameUser ? 200 : 403
 *   response.end()
 * })
 * server.listen('/run/app/app.sock')
 * ```
 */
export function peerCredentials(source: unknown): PeerCredentials {
  requireSockets()
  if (typeof source === 'number') checkDescriptor('source', source)
  else if (typeof source !== 'object' || source === null) throw notASource(source)
  else if ((source as HasParts).peer instanceof PeerCredentials) {
    return (source as { peer: PeerCredentials }).peer
  }
  const descriptor = () => findDescriptor(source, 0)
  const number = descriptor()
  if (number === undefined) throw notASource(source)
  return new PeerCredentials(native.peerOf(number), descriptor)
}

// A request has a socket, a TLS socket a parent, an HTTP/2 stream a session: never this deep.
const deepest = 6

function findDescriptor(source: unknown, depth: number): number | undefined {
  if (typeof source === 'number') return source
  if (typeof source !== 'object' || source === null || depth > deepest) return undefined
  const parts = source as HasParts
  for (const number of [parts._handle?.fd, parts.fd]) {
    if (typeof number === 'number' && number >= 0) return number
  }
  for (const inner of [parts._parent, parts.socket, parts.session]) {
    if (inner === source) continue
    const number = findDescriptor(inner, depth + 1)
    if (number !== undefined) return number
  }
  // A FileDescriptor; a closed one says so itself.
  return typeof parts.number === 'number' ? parts.number : undefined
}

function notASource(source: unknown): Error {
  return invalidArgument(
    'source',
    'a descriptor, or an open connection over a Unix socket that has one',
    source,
  )
}
