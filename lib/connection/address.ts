/** Addresses of every transport, as text and as parts. */
import { isIPv4, isIPv6 } from 'node:net'
import { inspect } from 'node:util'

import { checkInteger, checkString, invalidArgument } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import type { TransportName } from '../transport/addresses.js'

/** A path of a Unix socket; see {@link parseAddress}. */
export interface UnixPathAddress {
  /** The scheme. */
  readonly transport: 'unix'
  /** The path, as it was given. */
  readonly path: string
}

/** An abstract name of Linux; see {@link parseAddress}. */
export interface UnixAbstractAddress {
  /** The scheme. */
  readonly transport: 'unix'
  /** The name without its `@`. */
  readonly abstractName: string
}

/** A named pipe; where there are none, a Unix socket in the user's runtime directory; see {@link parseAddress}. */
export interface PipeAddress {
  /** The scheme. */
  readonly transport: 'pipe'
  /** The name, without slashes. */
  readonly name: string
}

/** A channel in shared memory; see {@link parseAddress}. */
export interface ShmAddress {
  /** The scheme. */
  readonly transport: 'shm'
  /** The name, without slashes. */
  readonly name: string
}

/** A host and a port of TCP; see {@link parseAddress}. */
export interface TcpAddress {
  /** The scheme. */
  readonly transport: 'tcp'
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string
  /** The port for connections, 0 to 65535; to listen on 0 is to have the system choose one. */
  readonly port: number
}

/** An address that was parsed, told apart by `transport`; see {@link parseAddress}. */
export type Address = UnixPathAddress | UnixAbstractAddress | PipeAddress | ShmAddress | TcpAddress

const forms = "'unix:/path', 'unix:@name', 'pipe:name', 'shm:name' or 'tcp:host:port'"

// The system's room for the name of a socket, without the NUL.
const longestPath = process.platform === 'linux' ? 107 : 103
const longestAbstractName = 107
// A pipe of Windows takes 256 with its prefix.
const longestName = 247
const longestHost = 253

/**
 * The parts of an address. `formatAddress` makes the same text of them again.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT`, which says what was expected and what was probably meant.
 *
 * @example
 * ```ts
 * const address = parseAddress('tcp:[::1]:8080')
 * if (address.transport === 'tcp') console.log(address.host, address.port) // ::1 8080
 * ```
 */
export function parseAddress(text: string): Address {
  checkString('address', text)
  if (text.includes('\0')) throw malformed(text, 'without a NUL')
  const colon = text.indexOf(':')
  const scheme = colon < 0 ? '' : text.slice(0, colon)
  const rest = text.slice(colon + 1)
  switch (scheme) {
    case 'unix':
      return parseUnix(text, rest)
    case 'pipe':
    case 'shm':
      return parseName(text, scheme, rest)
    case 'tcp':
      return parseTcp(text, rest)
    default:
      throw unknownScheme(text, scheme, rest)
  }
}

/**
 * The text of an address. `parseAddress` makes the same parts of it again.
 *
 * @throws `ERR_SLUICE_INVALID_ARGUMENT` for parts that are no address.
 *
 * @example
 * ```ts
 * console.log(formatAddress({ transport: 'tcp', host: '::1', port: 8080 })) // tcp:[::1]:8080
 * ```
 */
export function formatAddress(address: Address): string {
  const text = joined(address)
  const parsed = parseAddress(text)
  // A path that begins with '@' would become an abstract name.
  if (!isSame(parsed, address)) {
    throw invalidArgument('address', `the parts of one that can be written as ${forms}`, address)
  }
  return text
}

function joined(address: Address): string {
  if (typeof address !== 'object' || (address as unknown) === null) {
    throw invalidArgument('address', "an object as 'parseAddress' returns it", address)
  }
  switch (address.transport) {
    case 'unix':
      if ('path' in address) {
        checkString('address.path', address.path)
        return `unix:${address.path}`
      }
      checkString('address.abstractName', address.abstractName)
      return `unix:@${address.abstractName}`
    case 'pipe':
    case 'shm':
      checkString('address.name', address.name)
      return `${address.transport}:${address.name}`
    case 'tcp': {
      const { host, port } = address
      checkString('address.host', host)
      checkInteger('address.port', port, 0, 65535)
      return `tcp:${host.includes(':') ? `[${host}]` : host}:${String(port)}`
    }
    default:
      throw invalidArgument(
        'address.transport',
        "'unix', 'pipe', 'shm' or 'tcp'",
        (address as { transport: unknown }).transport,
      )
  }
}

function isSame(one: Address, other: Address): boolean {
  const parts = other as unknown as Record<string, unknown>
  return Object.entries(one).every(([name, value]) => parts[name] === value)
}

function parseUnix(text: string, rest: string): UnixPathAddress | UnixAbstractAddress {
  if (rest.startsWith('@')) {
    const abstractName = rest.slice(1)
    if (abstractName === '') throw malformed(text, "with a name after the '@'", 'unix:@name')
    checkLength(text, 'an abstract name', abstractName, longestAbstractName)
    return { transport: 'unix', abstractName }
  }
  if (rest === '') throw malformed(text, 'with a path', 'unix:/path')
  if (rest.startsWith('//')) throw malformed(text, 'with one slash', `unix:${afterSlashes(rest)}`)
  checkLength(text, 'a path', rest, longestPath)
  return { transport: 'unix', path: rest }
}

/** A path, of the kind of `//x`, `///x` and `//./x`, with one slash. */
function afterSlashes(rest: string): string {
  return rest.replace(/^\/+/, '/')
}

function parseName(
  text: string,
  transport: 'pipe' | 'shm',
  name: string,
): PipeAddress | ShmAddress {
  const bare = withoutPipePrefix(name) ?? name.replace(/^\/+/, '')
  const hint = `${transport}:${bare.replaceAll(/[\\/]/g, '-')}`
  if (name === '') throw malformed(text, 'with a name', `${transport}:name`)
  if (/[\\/]/.test(name)) throw malformed(text, 'with a name without slashes', hint)
  if (name === '.' || name === '..') throw malformed(text, 'with a name other than . and ..')
  checkLength(text, 'a name', name, longestName)
  return { transport, name }
}

function parseTcp(text: string, rest: string): TcpAddress {
  if (rest.startsWith('//')) {
    const bare = rest.replace(/^\/+/, '').replace(/\/.*$/, '')
    throw malformed(text, 'without slashes', `tcp:${bare}`)
  }
  const match = /^\[([^\]]*)\](.*)$/s.exec(rest)
  const inBrackets = match?.[1]
  const last = rest.lastIndexOf(':')
  const host = inBrackets ?? rest.slice(0, Math.max(last, 0))
  const port = match?.[2] ?? rest.slice(last)
  if (inBrackets === undefined && (isIPv6(rest) || host.includes(':'))) {
    // '::1:8080' could be either; a port is what people forget to set apart.
    const hint = isIPv6(host) ? `tcp:[${host}]${rest.slice(last)}` : `tcp:[${rest}]:8080`
    throw malformed(text, 'with an IPv6 address in brackets', hint)
  }
  if (last < 0 || !port.startsWith(':')) {
    if (inBrackets === undefined && /^\d{1,5}$/.test(rest)) {
      throw malformed(text, 'with a host', `tcp:127.0.0.1:${rest}`)
    }
    const shown = inBrackets === undefined ? rest : `[${host}]`
    throw malformed(text, 'with a port', `tcp:${shown === '' ? '127.0.0.1' : shown}:8080`)
  }
  if (inBrackets !== undefined) {
    if (!isIPv6(host)) {
      throw malformed(
        text,
        'with an IPv6 address, and nothing else, in brackets',
        `tcp:${host}${port}`,
      )
    }
  } else checkHost(text, host, port)
  return { transport: 'tcp', host, port: parsePort(text, port.slice(1)) }
}

function checkHost(text: string, host: string, port: string): void {
  if (host === '' || host === '*') {
    throw malformed(text, 'with a host', `tcp:127.0.0.1${port}', or for all 'tcp:0.0.0.0${port}`)
  }
  if (!/^[\w.-]+$/.test(host) || host.length > longestHost) {
    throw malformed(text, 'with a host of letters, digits, hyphens and dots')
  }
  // The resolver of the system would take such for something else, or for a name.
  if (/^[\d.]+$/.test(host) && !isIPv4(host)) {
    throw malformed(text, 'with an IPv4 address of four numbers, each 0 to 255')
  }
}

function parsePort(text: string, port: string): number {
  if (port === '') throw malformed(text, 'with a port', `${text}8080`)
  if (!/^(0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65535) {
    throw malformed(text, 'with a port from 0 to 65535')
  }
  return Number(port)
}

function unknownScheme(text: string, scheme: string, rest: string): SluiceError {
  const pipe = withoutPipePrefix(text)
  if (pipe !== undefined) return malformed(text, `as ${forms}`, `pipe:${pipe}`)
  if (text === '') return malformed(text, `as ${forms}`)
  if (text.startsWith('@') || /^(\/|\.{1,2}\/|~)/.test(text)) {
    return malformed(text, `as ${forms}`, `unix:${text}`)
  }
  if (/^[A-Za-z]:[\\/]/.test(text)) {
    return malformed(text, `as ${forms}; paths are no addresses on Windows`, 'pipe:name')
  }
  const lower = scheme.toLowerCase()
  if (isScheme(lower)) return malformed(text, `as ${forms}`, `${lower}:${rest}`)
  if (['http', 'https', 'ws', 'wss'].includes(lower))
    return malformed(text, `as ${forms}`, urlHint(text))
  if (isIPv6(text)) return malformed(text, `as ${forms}`, `tcp:[${text}]:8080`)
  if (isPort(rest) && isIPv6(text.slice(0, text.lastIndexOf(':')).replace(/^\[|\]$/g, ''))) {
    return malformed(text, `as ${forms}`, `tcp:${text}`)
  }
  if (/^[\w.-]+:\d{1,5}$/.test(text) || /^\[.*\]:\d{1,5}$/.test(text)) {
    return malformed(text, `as ${forms}`, `tcp:${text}`)
  }
  if (!text.includes(':')) {
    const hint = text.includes('/') ? `unix:${text}` : `pipe:${text}`
    return malformed(text, `as ${forms}`, hint)
  }
  return malformed(text, `as ${forms}; the scheme '${scheme}' is unknown`)
}

/** The address of the server that a URL is about; undefined when it names none. */
function urlHint(text: string): string | undefined {
  try {
    const { hostname, port, protocol } = new URL(text)
    const usual = protocol === 'https:' || protocol === 'wss:' ? '443' : '80'
    return hostname === '' ? undefined : `tcp:${hostname}:${port === '' ? usual : port}`
  } catch {
    return undefined
  }
}

function isScheme(text: string): text is TransportName {
  return text === 'unix' || text === 'pipe' || text === 'shm' || text === 'tcp'
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text.slice(text.lastIndexOf(':') + 1))
}

function withoutPipePrefix(text: string): string | undefined {
  return /^[\\/]{2}[.?][\\/]pipe[\\/](.*)$/is.exec(text)?.[1]
}

function checkLength(text: string, what: string, part: string, most: number): void {
  const length = Buffer.byteLength(part)
  if (length <= most) return
  throw malformed(text, `with ${what} of at most ${String(most)} bytes; it has ${String(length)}`)
}

function malformed(text: string, expected: string, meant?: string): SluiceError {
  const shown = inspect(text, { maxStringLength: 160, breakLength: Infinity })
  const hint = meant === undefined || meant === text ? '' : ` (perhaps '${meant}')`
  return new SluiceError(
    'ERR_SLUICE_INVALID_ARGUMENT',
    `address must be ${expected.startsWith('as ') ? expected.slice(3) : `an address ${expected}`}; ` +
      `received ${shown}${hint}`,
  )
}
