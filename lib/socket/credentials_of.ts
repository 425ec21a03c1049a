import { invalidArgument, unreadable } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native } from './native.js'
import { checkDescriptor } from './file_descriptor.js'
import { PeerCredentials } from './peer_credentials.js'
import { requireSockets } from './native.js'

interface HasParts {
  fd?: unknown
  number?: unknown
  peer?: unknown
  socket?: unknown
  session?: unknown
  stream?: unknown
  destroyed?: unknown
  _parent?: unknown
  _handle?: { fd?: unknown; _parentWrap?: unknown } | null
}

/**
 * The process at the other end of a connection over a Unix socket: of a descriptor, a
 * `UnixConnection`, a `net.Socket`, an `http.IncomingMessage` or `ServerResponse`, a TLS or HTTP/2
 * session on one. Not on Windows.
 *
 * Bun's HTTP servers do not tell the descriptor of a socket that they have accepted themselves
 * (`ERR_SLUICE_UNSUPPORTED`); there a `UnixServer` accepts, and `server.emit('connection', connection)`
 * passes it on.
 *
 * @throws `ENOTCONN`, `EBADF`, `ENOTSOCK`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_INVALID_ARGUMENT`,
 * `ERR_SLUICE_UNSUPPORTED` on Windows.
 *
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import http from 'node:http'
 *
 * const server = http.createServer((request, response) => {
 *   response.statusCode = peerCredentials(request).sameUser ? 200 : 403
 *   response.end()
 * })
 * await once(server.listen('/run/app/app.sock'), 'listening')
 *
 * const request = http.get({ socketPath: '/run/app/app.sock', agent: false })
 * const [response] = (await once(request, 'response')) as [http.IncomingMessage]
 * console.log(response.resume().statusCode)
 * server.close()
 * ```
 */
export function peerCredentials(source: unknown): PeerCredentials {
  requireSockets()
  if (typeof source === 'number') checkDescriptor('source', source)
  else if (typeof source !== 'object' || source === null) throw notASource(source)
  const known = search(source, peerOf)
  if (known !== undefined) return known
  const descriptor = () => (typeof source === 'number' ? source : search(source, descriptorOf))
  const number = descriptor()
  if (number === undefined) {
    if (search(source, isDestroyed) === true) throw closedError()
    if (search(source, hasSocket) === true) throw withoutDescriptor()
    throw notASource(source)
  }
  return new PeerCredentials(native.peerOf(number), descriptor)
}

function peerOf({ peer }: HasParts): PeerCredentials | undefined {
  return peer instanceof PeerCredentials ? peer : undefined
}

function descriptorOf({ _handle, fd, number }: HasParts): number | undefined {
  // `number` is a FileDescriptor's; a closed one says so itself.
  return [_handle?.fd, fd, number].find(
    (value): value is number => typeof value === 'number' && value >= 0,
  )
}

function isDestroyed({ destroyed }: HasParts): true | undefined {
  return destroyed === true ? true : undefined
}

/** A request whose socket says no descriptor, as those of Bun's HTTP servers. */
function hasSocket({ socket }: HasParts): true | undefined {
  return (socket as HasParts | null | undefined)?.destroyed === false ? true : undefined
}

// A request has a socket, a TLS socket a parent, an HTTP/2 stream a session; and what Node's own
// sessions run on that is not Node's own socket is the stream of an adapter: never this deep.
const deepest = 6

/** Searches the source, and then the sockets and sessions that it runs on. */
function search<T>(source: unknown, find: (parts: HasParts) => T | undefined): T | undefined {
  try {
    return searchFrom(source, find, 0)
  } catch (error) {
    throw unreadable('source', error)
  }
}

function searchFrom<T>(
  source: unknown,
  find: (parts: HasParts) => T | undefined,
  depth: number,
): T | undefined {
  if (typeof source !== 'object' || source === null || depth > deepest) return undefined
  const parts = source as HasParts
  const found = find(parts)
  if (found !== undefined) return found
  const { _parent, _handle, socket, session, stream } = parts
  for (const inner of [_parent, _handle?._parentWrap, socket, session, stream]) {
    if (inner === source) continue
    const further = searchFrom(inner, find, depth + 1)
    if (further !== undefined) return further
  }
  return undefined
}

function withoutDescriptor(): Error {
  return new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    "this runtime does not tell the descriptor of its server's sockets; let a UnixServer accept the " +
      "connections, and give each to the HTTP server: server.emit('connection', connection)",
  )
}

function closedError(): Error {
  return new SluiceError('ERR_SLUICE_CLOSED', 'the connection is closed: ask while it is open')
}

function notASource(source: unknown): Error {
  return invalidArgument(
    'source',
    'a descriptor, or an open connection over a Unix socket that has one',
    source,
  )
}
