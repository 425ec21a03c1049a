/** From what `UnixServer.listen` is given to a socket that listens. */
import { checkString, invalidArgument, unreadable } from '../core/arguments.js'
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
  authorize?: unknown
}

export interface Listening {
  handle: SocketHandle
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
  for (const name of [...bindOptionNames, 'type', 'backlog'] as const) {
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
  const { type = 'stream', mode = 0o600, removeStale = true, padded = false } = options
  const { backlog = defaultBacklog } = options
  return () => {
    if (address.startsWith('@') && options.authorize === undefined) warnOfAbstractName(address)
    makeDirectoryOf(address, options.makeDirectory)
    const handle = native.bindSocket(type, address, padded, mode, removeStale, backlog)
    return { handle, type, name: address }
  }
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
