/**
 * A shared secret, for transports that do not tell who is at the other end.
 *
 *     client -> length of the token (2 bytes, big-endian), token
 *     server -> 1: come in, or 0: the token is wrong, after which it closes
 *
 * The client sends nothing more before the answer. The server takes no byte beyond the token, and the client
 * none beyond the answer, so that nothing of what follows is lost.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { types } from 'node:util'

import { ownOptions } from '../core/arguments.js'
import { isSystemError, SluiceError } from '../core/errors.js'
import { checkWaitOptions, waitOptionNames, type WaitOptions } from '../core/wait_options.js'
import { waitForClients } from './admission.js'
import { Connection } from './connection.js'
import type { Peer } from './peer.js'

const longestToken = 1024
const comeIn = 1
const wrongToken = 0

/**
 * For `authorize`: lets in clients that present this secret with {@link presentToken}, within
 * `authorizeTimeout`. Others are closed, and counted in `stats().rejected.authorize`. The secret is compared
 * in constant time and is never shown. It goes over the connection as it is: take it where nobody can listen.
 *
 * Each client that connects can keep one of 64 decisions waiting for `authorizeTimeout`: where strangers
 * connect, make that short.
 *
 * @param secret text or bytes, 1 to 1024 of them; make it long and random
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const secret = 'long and random, from a file that only both can read'
 * const server = await UnixServer.listen('/run/app/app.sock', {
 *   authorize: token(secret),
 *   authorizeTimeout: 1000,
 * })
 * const client = await connectUnix('/run/app/app.sock')
 * const [accepted] = await Promise.all([server.accept(), presentToken(client, secret)])
 * console.log(accepted.peer.uid)
 * for (const one of [client, accepted, server]) one.close()
 * ```
 */
export function token(
  secret: string | Uint8Array,
): (peer: Peer, connection: Connection) => Promise<boolean> {
  const expected = digest(checkedSecret(secret))
  const authorize = async (_peer: Peer, connection: Connection): Promise<boolean> => {
    try {
      const presented = await readToken(connection)
      const isRight = presented !== undefined && timingSafeEqual(digest(presented), expected)
      await connection.send(Buffer.of(isRight ? comeIn : wrongToken))
      return isRight
    } catch {
      return false // the client has gone
    }
  }
  waitForClients.add(authorize)
  return authorize
}

/**
 * Presents a secret to a server that asks for it ({@link token}), on a connection that nothing was sent on or
 * read of yet. Resolves when the server has let this client in; else the connection is destroyed.
 *
 * @throws (rejects) `ERR_SLUICE_REJECTED` for a wrong token; `ERR_SLUICE_DISCONNECTED` when the server closes
 * without an answer, as at its limits; `ERR_SLUICE_TIMEOUT`, the signal's reason, what `send` and `receive`
 * reject with. `ERR_SLUICE_INVALID_ARGUMENT` (throws).
 *
 * @example
 * ```ts
 * const secret = 'long and random, from a file that only both can read'
 * const server = await UnixServer.listen('/run/app/app.sock', {
 *   authorize: token(secret),
 *   authorizeTimeout: 1000,
 * })
 * const client = await connectUnix('/run/app/app.sock')
 * const [accepted] = await Promise.all([server.accept(), presentToken(client, secret)])
 * console.log(accepted.peer.uid)
 * for (const one of [client, accepted, server]) one.close()
 * ```
 */
export function presentToken(
  connection: Connection,
  secret: string | Uint8Array,
  options: WaitOptions = {},
): Promise<void> {
  const bytes = checkedSecret(secret)
  options = ownOptions(options, waitOptionNames)
  checkWaitOptions(options)
  return present(connection, bytes, options)
}

async function present(
  connection: Connection,
  secret: Uint8Array,
  { signal, timeout }: WaitOptions,
): Promise<void> {
  const start = performance.now()
  const frame = Buffer.alloc(2 + secret.byteLength)
  frame.writeUInt16BE(secret.byteLength)
  frame.set(secret, 2)
  try {
    await connection.send(frame, { signal, timeout })
    const left = timeout && Math.max(0, timeout - (performance.now() - start))
    const answer = await Connection.receiveBytes(connection, 1, { signal, timeout: left })
    if (answer === undefined) throw unanswered()
    if (answer[0] !== comeIn) {
      throw new SluiceError('ERR_SLUICE_REJECTED', 'the server does not accept the token')
    }
  } catch (error) {
    connection.destroy()
    throw isSystemError(error, 'ECONNRESET', 'EPIPE') ? unanswered(error) : error
  }
}

/** Undefined when there is none, or one that is too long, of which nothing more is read. */
async function readToken(connection: Connection): Promise<Buffer | undefined> {
  const head = await readExactly(connection, 2)
  const length = head?.readUInt16BE() ?? 0
  if (length === 0 || length > longestToken) return undefined
  return readExactly(connection, length)
}

/** Undefined when the end comes before. */
async function readExactly(connection: Connection, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(length)
  for (let count = 0; count < length;) {
    const chunk = await Connection.receiveBytes(connection, length - count, {})
    if (chunk === undefined) return undefined
    bytes.set(chunk, count)
    count += chunk.byteLength
  }
  return bytes
}

/** The errors of checks elsewhere show what they were given. */
function checkedSecret(secret: unknown): Uint8Array {
  const isText = typeof secret === 'string' && !/\p{Surrogate}/u.test(secret)
  const bytes = isText ? Buffer.from(secret) : types.isUint8Array(secret) ? secret : undefined
  if (bytes === undefined || bytes.byteLength === 0 || bytes.byteLength > longestToken) {
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      `secret must be text or a Uint8Array of 1 to ${String(longestToken)} bytes`,
    )
  }
  return bytes
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function unanswered(cause?: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_DISCONNECTED',
    'the server closed the connection without an answer to the token',
    { cause },
  )
}
