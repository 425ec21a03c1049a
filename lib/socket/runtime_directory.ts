/** Names for Unix sockets that belong to this user alone, for those who want a name and no path. */
import { lstatSync, mkdirSync, statSync, type Stats } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

import { isSystemError, nodeError, SluiceError } from '../core/errors.js'

const sticky = 0o1000
const writableByOthers = 0o022
const openToOthers = 0o077

/**
 * The path of the socket that is called `name`, in the user's runtime directory: `XDG_RUNTIME_DIR`, or
 * else a private directory beside the temporary files. `make`: for a server, whose directory has to be
 * there.
 *
 * A directory in which somebody else could put a socket is refused: whoever connects there would talk
 * to them.
 *
 * @throws `ERR_SLUICE_UNTRUSTED_OWNER`, and what `mkdir` fails with
 */
export function runtimeSocketPath(name: string, make: boolean): string {
  const given = givenDirectory()
  if (given === undefined) checkTemporaryDirectory()
  else checkGivenDirectory(given)
  const directory = runtimeDirectory()
  if (make) makeDirectory(directory)
  const stats = look(directory, lstatSync)
  // Without it there is no server, which connecting to it tells.
  if (stats !== undefined) check(directory, stats, openToOthers)
  return join(directory, `${name}.sock`)
}

/** Where the sockets lie, for those who only compare names: it is not looked at, and may be missing. */
export function runtimeDirectory(): string {
  const given = givenDirectory()
  return given === undefined ? join(tmpdir(), `sluice-${String(user())}`) : join(given, 'sluice')
}

function givenDirectory(): string | undefined {
  const given = process.env['XDG_RUNTIME_DIR'] ?? ''
  // The specification of these directories has relative ones ignored.
  return isAbsolute(given) ? given : undefined
}

function checkGivenDirectory(path: string): void {
  const stats = look(path, statSync)
  if (stats !== undefined) check(path, stats, writableByOthers, ' (XDG_RUNTIME_DIR)')
}

function checkTemporaryDirectory(): void {
  const path = tmpdir()
  const stats = look(path, statSync)
  const safe =
    stats === undefined ||
    ((stats.uid === 0 || stats.uid === user()) &&
      ((stats.mode & writableByOthers) === 0 || (stats.mode & sticky) !== 0))
  if (!safe) {
    throw untrusted(path, 'others could replace what is in it', '; set XDG_RUNTIME_DIR to another')
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, 0o700)
  } catch (cause) {
    if (isSystemError(cause, 'EEXIST')) return
    throw nodeError(`cannot make the runtime directory '${path}'`, 'mkdir', cause, { path })
  }
}

function look(path: string, how: (path: string) => Stats): Stats | undefined {
  try {
    return how(path)
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT')) return undefined
    throw nodeError(`cannot look at the runtime directory '${path}'`, 'stat', cause, { path })
  }
}

function check(path: string, stats: Stats, forbidden: number, more = ''): void {
  if (!stats.isDirectory()) throw untrusted(path, 'it is no directory', more)
  if (stats.uid !== user()) {
    const whose = `it belongs to user ${String(stats.uid)}, and this process is of user ${String(user())}`
    throw untrusted(path, whose, more)
  }
  if ((stats.mode & forbidden) !== 0) {
    const mode = (stats.mode & 0o777).toString(8)
    throw untrusted(path, `its mode, ${mode}, is open to others`, more)
  }
}

function user(): number | undefined {
  return process.geteuid?.()
}

function untrusted(path: string, why: string, more: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_UNTRUSTED_OWNER',
    `the runtime directory '${path}' is not this user's alone: ${why}${more}`,
    { path },
  )
}
