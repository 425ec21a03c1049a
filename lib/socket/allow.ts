import { checkBoolean, checkInteger, invalidArgument, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native } from './native.js'
import type { PeerCredentials } from './peer_credentials.js'
import { requireSockets } from './native.js'

/** Whom {@link allow} lets in: whoever fits one of these. */
export interface AllowOptions {
  /** Default false. True: this process's effective user; see `PeerCredentials.sameUser`. */
  sameUser?: boolean
  /** Users, by their ids; default none. */
  uids?: readonly number[]
  /** Groups, by their ids; default none. Each as the primary or as a supplementary group of the peer. */
  gids?: readonly number[]
  /** Likewise, by their names, which are looked up now; default none. */
  groups?: readonly string[]
}

/**
 * A rule for `authorize`, or to ask by hand. Nobody is let in by default, not even root. Not on Windows,
 * where {@link ListenNamedPipeOptions.security} says it.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`: for a group that does not exist, or when nobody is named;
 * `ERR_SLUICE_UNSUPPORTED` on Windows.
 *
 * @example
 * ```ts
 * const server = await UnixServer.listen('/run/app/app.sock', {
 *   mode: 0o666,
 *   authorize: allow({ sameUser: true, gids: [20] }),
 * })
 * server.close()
 * ```
 */
export function allow(options: AllowOptions): (peer: PeerCredentials) => boolean {
  requireSockets()
  const {
    sameUser = false,
    uids = [],
    gids = [],
    groups = [],
  } = ownOptions(options, ['sameUser', 'uids', 'gids', 'groups'])
  checkBoolean('options.sameUser', sameUser)
  checkIds('options.uids', uids, (uid) => native.isUnmappedUser(uid))
  checkIds('options.gids', gids, (gid) => native.isUnmappedGroup(gid))
  if (!Array.isArray(groups)) throw invalidArgument('options.groups', 'an array of names', groups)
  const users = new Set<number>(uids)
  const members = new Set<number>([...gids, ...groups.map(groupNumber)])
  if (!sameUser && users.size === 0 && members.size === 0) {
    throw new SluiceError('ERR_SLUICE_INVALID_ARGUMENT', 'options must name somebody to let in')
  }
  return (peer) =>
    (sameUser && peer.sameUser) ||
    users.has(peer.uid) ||
    members.has(peer.gid) ||
    (peer.groups ?? []).some((gid) => members.has(gid))
}

function checkIds(name: string, ids: readonly number[], isUnmapped: (id: number) => boolean): void {
  if (!Array.isArray(ids)) throw invalidArgument(name, 'an array of ids', ids)
  for (const id of ids) {
    checkInteger(`each of ${name}`, id, 0, 0xffffffff)
    if (isUnmapped(id)) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        `each of ${name} must be somebody's id; ${String(id)} stands for everybody who is not ` +
          'mapped into this user namespace',
      )
    }
  }
}

function groupNumber(name: unknown): number {
  if (typeof name !== 'string') throw invalidArgument('each of options.groups', 'a name', name)
  const number = native.findGroup(name)
  if (number === undefined || native.isUnmappedGroup(number)) {
    throw invalidArgument('each of options.groups', 'a known group', name)
  }
  return number
}
