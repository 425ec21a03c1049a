import { constants } from 'node:os'

const { errno } = constants

/** Negative, as the native calls return them. */
export const aborted = -errno.ECONNABORTED
export const again = -errno.EAGAIN
export const refused = -errno.ECONNREFUSED
export const messageTooLong = -errno.EMSGSIZE
export const invalid = -errno.EINVAL
export const noSuchProcess = -errno.ESRCH

/** For want of something that others may give back. */
export function isExhaustion(failure: number): boolean {
  return [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM].includes(-failure)
}

/** Says something about the connection, and not only about what was sent. */
export function endsConnection(failure: number): boolean {
  return [errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN].includes(-failure)
}
