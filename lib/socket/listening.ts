/** From what `UnixServer.listen` is given to a socket that listens. */
import { resolve } from 'node:path'

import { checkBoolean, checkString, invalidArgument, unreadable } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native } from './native.js'
import type { SocketHandle } from './native.js'
import { descriptorNumber, type DescriptorSource } from './file_descriptor.js'
import {
  bindOptionNames,
  checkBindOptions,
  makeDirectoryOf,
  type BindOptions,
} from './listen_options.js'

export interface ListeningOptions extends BindOptions {
  type?: 'stream' | 'seqpacket'
  backlog?: number
  renew?: boolean
  authorize?: unknown
}

export interface Listening {
  handle: SocketHandle
  /** Binds the path again; undefined for a socket that has no path of its own. */
  bind?: () => SocketHandle
  type: 'stream' | 'seqpacket'
  name: string | undefined
}

export const defaultBacklog = 511

/** Checks the address; what it returns does the rest. */
export function prepareToListen(
  address: string | { readonly fd: DescriptorSource },
  options: ListeningOptions,
): () => Listening {
  return typeof address === 'object' && (address as unknown) !== null
    ? onDescriptor(address, options)
    : onAddress(address, options)
}

function onDescriptor(address: object, options: ListeningOptions): () => Listening {
  const source = sourceOf(address)
  for (const name of [...bindOptionNames, 'type', 'backlog', 'renew'] as const) {
    if (options[name] !== undefined) {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_ARGUMENT',
        `options.${name} does not go with an fd, which already listens`,
      )
    }
  }
  const fd = descriptorNumber('address.fd', source)
  return () => {
    const found = native.socketFromDescriptor(fd, 'listener')
    const type = found.type === 'seqpacket' ? found.type : 'stream'
    return { handle: found.handle, type, name: found.address }
  }
}

function sourceOf(address: object): unknown {
  try {
    const keys = Object.keys(address)
    if (keys.length === 1 && keys[0] === 'fd') return (address as { fd: unknown }).fd
  } catch (error) {
    throw unreadable('address', error)
  }
  throw invalidArgument('address', 'a path, @name or { fd } and nothing else', address)
}

function onAddress(address: unknown, options: ListeningOptions): () => Listening {
  checkString('address', address)
  checkBindOptions(options, address)
  native.checkAddress(address)
  if (options.renew !== undefined) checkBoolean('options.renew', options.renew)
  if (options.renew !== undefined && address.startsWith('@')) throw renewsPathsAlone()
  const { type = 'stream', mode = 0o600, removeStale = true, padded = false } = options
  const { backlog = defaultBacklog } = options
  return () => {
    if (address.startsWith('@') && options.authorize === undefined) warnOfAbstractName(address)
    const folder = process.cwd()
    const bind = () => {
      // A relative path means the folder of the beginning.
      const path = process.cwd() === folder ? address : resolve(folder, address)
      makeDirectoryOf(path, options.makeDirectory)
      return native.bindSocket(type, path, padded, mode, removeStale, backlog)
    }
    if (address.startsWith('@')) return { handle: bind(), type, name: address }
    return { handle: bind(), bind, type, name: address }
  }
}

function renewsPathsAlone(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    'options.renew is about paths: an abstract name cannot be lost',
  )
}

let warned = false

function warnOfAbstractName(address: string): void {
  if (warned) return
  warned = true
  process.emitWarning(
    `every process of this network namespace can connect to '${address}': abstract names have no ` +
      'permissions; say with options.authorize who may',
    { type: 'SluiceWarning', code: 'SLUICE_OPEN_TO_ALL' },
  )
}
