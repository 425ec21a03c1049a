import type { Peer } from '../transport/peer.js'
import { native } from './native.js'
import type { IntegrityLevel, NativeIdentity, PipeHandle } from './native.js'

/**
 * The process and user at the other end of a {@link NamedPipeConnection}, by the system's word.
 *
 * The user of a client is that of the token with which it opened the pipe; the user of a server is
 * the owner of the pipe. Facts that the system does not tell are undefined; so is all about the
 * user of a client that connected anonymously. Decide by `userSid` or `sameUser`; a process id is
 * information only, for it may belong to somebody else by now.
 */
export interface NamedPipePeer extends Peer {
  /** The process's id. */
  readonly pid: number | undefined
  /** The session that it runs in, by its number. */
  readonly sessionId: number | undefined
  /** `'S-1-5-21-...'` */
  readonly userSid: string | undefined
  /** The same as `userSid`: what peers of every transport have. */
  readonly user: string | undefined
  /** `'DOMAIN\\name'` */
  readonly userName: string | undefined
  /** Whether it is the user of this process. */
  readonly sameUser: boolean
  /** Known of clients only. */
  readonly integrityLevel: IntegrityLevel | undefined
  /** Whether it has an administrator's rights in use; known of clients only. */
  readonly elevated: boolean | undefined
}

// An account's name does not change while a process runs, so it is kept; a name that the system
// could not tell may be asked for again.
const names = new Map<string, Promise<string>>()
const mostNames = 1024

function accountName(sid: string): Promise<string> {
  let name = names.get(sid)
  if (name === undefined) {
    if (names.size >= mostNames) names.clear()
    name = native.accountName(sid)
    names.set(sid, name)
    void name.then((known) => known === '' && names.delete(sid))
  }
  return name
}

export function clientPeer(
  handle: Pick<PipeHandle, 'process'>,
  identity: NativeIdentity | undefined,
): Promise<NamedPipePeer> {
  return peer(handle.process(false), identity?.userSid, identity)
}

export function serverPeer(handle: PipeHandle, owner: string): Promise<NamedPipePeer> {
  return peer(handle.process(true), owner, undefined)
}

async function peer(
  { pid, sessionId }: { pid?: number; sessionId?: number },
  userSid: string | undefined,
  identity: NativeIdentity | undefined,
): Promise<NamedPipePeer> {
  const name = userSid === undefined ? '' : await accountName(userSid)
  return Object.freeze({
    pid,
    sessionId,
    userSid,
    user: userSid,
    userName: name === '' ? undefined : name,
    sameUser: userSid === native.currentUserSid(),
    integrityLevel: identity?.integrityLevel === '' ? undefined : identity?.integrityLevel,
    elevated: identity?.elevated,
  })
}
