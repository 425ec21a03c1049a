import { isSystemError, SluiceError, systemError, type SystemErrorCode } from '../core/errors.js'

const hints: Partial<Record<SystemErrorCode, string>> = {
  ECONNREFUSED: 'no server listens there',
  EADDRINUSE: 'another server listens there',
  EADDRNOTAVAIL: 'no network interface of this machine has that address',
  EACCES: 'this user may not listen on that port',
  ENOTFOUND: 'the host is unknown',
  EAI_AGAIN: 'the name server does not answer',
}

/** An error of Node's sockets as one of this package; `address` is the one that it was about. */
export function tcpError(attempt: string, cause: unknown, address?: string): SluiceError {
  // A host with several addresses, none of which answered.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  if (!isSystemError(first)) {
    const why = first instanceof Error ? first.message : String(first)
    return new SluiceError('ERR_SLUICE_CLOSED', `${attempt}: ${why}`, { cause, address })
  }
  const { code, syscall, errno } = first
  const hint = hints[code]
  if (syscall !== 'getaddrinfo')
    return systemError(attempt, syscall, errno, { hint, address, cause })
  // Node has names of its own for these.
  const message = `${attempt}: ${code}${hint === undefined ? '' : ` (${hint})`}`
  return new SluiceError(code, message, { syscall, errno, address, cause })
}
