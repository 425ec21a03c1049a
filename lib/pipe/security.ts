import { checkString, invalidArgument, ownOptions } from '../core/arguments.js'
import { native } from './native.js'

/**
 * The users who may connect to a {@link NamedPipeServer}: the current user and the system only (the
 * default); members of the administrators' group as well; every user who has logged on to this machine;
 * or those that a security descriptor names, in Windows' own language for that.
 */
export type PipeSecurity =
  'current-user' | 'administrators' | 'authenticated-users' | { sddl: string }

// Reading and writing, and not FILE_CREATE_PIPE_INSTANCE, with which anybody could answer in the
// server's place.
const clientAccess = '0x12019b'

const others = {
  'current-user': '',
  administrators: `(A;;${clientAccess};;;BA)`,
  'authenticated-users': `(A;;${clientAccess};;;AU)`,
} as const

/** The security descriptor of the pipe; throws unless it can be parsed. */
export function securityDescriptor(security: unknown, rejectRemote: boolean): string {
  if (typeof security === 'object' && security !== null) {
    const { sddl }: { sddl?: unknown } = ownOptions(security, ['sddl'], 'options.security')
    checkString('options.security.sddl', sddl)
    native.checkSecurity(sddl)
    return sddl
  }
  if (typeof security !== 'string' || !Object.hasOwn(others, security)) {
    throw invalidArgument(
      'options.security',
      "'current-user', 'administrators', 'authenticated-users' or { sddl }",
      security,
    )
  }
  const user = native.currentUserSid()
  const network = rejectRemote ? '(D;;GA;;;NU)' : ''
  const allowed = others[security as keyof typeof others]
  // The owner is named, because the objects of an elevated administrator would otherwise belong to
  // all administrators, and clients could not tell whose they are.
  return `O:${user}D:P${network}(A;;GA;;;${user})(A;;GA;;;SY)${allowed}`
}

export function checkSid(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || !/^S-1(-\d+)+$/.test(value)) {
    throw invalidArgument(name, "a SID such as 'S-1-5-18'", value)
  }
}
