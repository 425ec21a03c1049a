import type { PeerCredentials } from '../../index.js'

/** Describes the process at the other end of a Unix socket, for a note. */
export function describeCredentials({
  pid,
  uid,
  gid,
}: Pick<PeerCredentials, 'uid' | 'gid'> & { pid?: number | undefined }): string {
  const process_ =
    pid === undefined ? 'a process of another pid namespace' : `process ${String(pid)}`
  return `${process_}, user ${String(uid)}, group ${String(gid)}`
}
