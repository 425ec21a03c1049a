import { dirname } from 'node:path'
import { chmodSync, mkdirSync } from 'node:fs'

import { checkBoolean, checkInteger, checkMode, invalidArgument } from '../core/arguments.js'
import { nodeError, SluiceError } from '../core/errors.js'

/** How {@link UnixServer.listen} and {@link UnixDatagram.bind} take a name. */
export interface BindOptions {
  /**
   * Permissions to connect, for a path; default `0o600`, this user alone. The socket is never open
   * to more, not for an instant, and they are set exactly, whatever the umask.
   */
  mode?: number
  /**
   * Default true: a socket that a dead server left at the path is removed. `<path>.lock` is held
   * for as long, so that it cannot be a living server's. False: whatever is there is `EADDRINUSE`.
   */
  removeStale?: boolean
  /** Makes the directory of the path, with this mode, if it is not there; by default it must be there. */
  makeDirectory?: number
  /** Default false. True: an abstract name filled up with NULs, as Node up to version 20 has it. */
  padded?: boolean
}

export const bindOptionNames = ['mode', 'removeStale', 'makeDirectory', 'padded'] as const

/** `address`: undefined for a socket without one, which nothing of this is about. */
export function checkBindOptions(options: BindOptions, address: string | undefined): void {
  const isPath = address?.startsWith('@') === false
  const foreign = isPath ? (['padded'] as const) : bindOptionNames.filter((n) => n !== 'padded')
  for (const name of address === undefined ? bindOptionNames : foreign) {
    if (options[name] === undefined) continue
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      name === 'padded'
        ? 'options.padded is about abstract names (@name)'
        : `options.${name} is about paths: nothing would come of it here`,
    )
  }
  const { mode = 0o600, removeStale = true, makeDirectory = 0o700, padded = false } = options
  checkMode(mode)
  checkBoolean('options.removeStale', removeStale)
  checkBoolean('options.padded', padded)
  if (!Number.isInteger(makeDirectory)) {
    throw invalidArgument('options.makeDirectory', 'the mode of the directory', makeDirectory)
  }
  checkInteger('options.makeDirectory', makeDirectory, 0, 0o777)
}

export function makeDirectoryOf(address: string, mode: number | undefined): void {
  if (mode === undefined || address.startsWith('@')) return
  const directory = dirname(address)
  try {
    // The umask can only take away; the rest is given when it is there.
    if (mkdirSync(directory, { recursive: true, mode }) !== undefined) chmodSync(directory, mode)
  } catch (cause) {
    throw nodeError(`cannot make the socket's directory '${directory}'`, 'mkdir', cause, {
      path: directory,
    })
  }
}
