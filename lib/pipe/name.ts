import { checkString, invalidArgument } from '../core/arguments.js'

const prefix = '\\\\.\\pipe\\'
// Windows' own limit, with the prefix.
const longestPath = 256

/** The whole path of a pipe of this machine, from a bare name or from a path. */
export function pipePath(name: unknown): string {
  checkString('name', name)
  const bare = /^[\\/]{2}[.?][\\/]pipe[\\/]/i.test(name) ? name.slice(prefix.length) : name
  const valid =
    bare.length > 0 &&
    prefix.length + bare.length <= longestPath &&
    !bare.includes('\\') &&
    !bare.includes('\0')
  if (!valid) {
    throw invalidArgument(
      'name',
      `a pipe's name, or \\\\.\\pipe\\ and a name, of 1 to ${String(longestPath - prefix.length)} ` +
        'characters without a backslash',
      name,
    )
  }
  return prefix + bare
}
