import { createReadStream, createWriteStream } from 'node:fs'
import { createServer, Socket, type Server } from 'node:net'
import type { Readable, Writable } from 'node:stream'

import { checkInteger, invalidArgument, unreadable } from '../core/arguments.js'
import { makeOneOfAllCopies } from '../core/copies.js'
import { SluiceError } from '../core/errors.js'
import { LeakGuard } from '../core/leak_guard.js'
import { native } from './native.js'
import { requireSockets } from './native.js'

/** The kind of object that a descriptor is open to. */
export type DescriptorKind = 'file' | 'socket' | 'pipe' | 'memory' | 'directory' | 'other'

const largestDescriptor = 2 ** 31 - 1

/** A number, or -1 when it is closed or somebody else's. */
interface Owned {
  number: number
}

const leftOpen = new LeakGuard<Owned>(({ number }) => {
  return number < 0 ? undefined : `FileDescriptor ${String(number)}`
}, close)

function close(owned: Owned): void {
  if (owned.number < 0) return
  native.closeDescriptor(owned.number)
  owned.number = -1
}

/**
 * An open descriptor that belongs to this object: it is closed with it, and by the garbage
 * collector with a warning if that was forgotten. It is close-on-exec.
 *
 * @example
 * ```ts
 * const connection = await connectUnix('/run/app/app.sock')
 * const message = await connection.receive()
 * for (const descriptor of message?.fds ?? []) {
 *   if (descriptor.kind === 'file') descriptor.toReadStream().pipe(process.stdout)
 *   else descriptor.close()
 * }
 * ```
 */
export class FileDescriptor {
  readonly #owned: Owned

  static {
    makeOneOfAllCopies(this, 'FileDescriptor')
  }

  /** @internal */
  constructor(number: number) {
    this.#owned = { number }
    leftOpen.register(this, this.#owned)
  }

  /** Takes a descriptor over: from now on it is this object's to close. */
  static adopt(fd: number): FileDescriptor {
    requireSockets()
    checkDescriptor('fd', fd)
    return new FileDescriptor(native.adoptDescriptor(fd))
  }

  /** A duplicate of a descriptor that stays the caller's. */
  static duplicate(fd: number): FileDescriptor {
    requireSockets()
    checkDescriptor('fd', fd)
    return new FileDescriptor(native.duplicateDescriptor(fd))
  }

  /** @throws `ERR_SLUICE_CLOSED` */
  get number(): number {
    const { number } = this.#owned
    if (number < 0) throw new SluiceError('ERR_SLUICE_CLOSED', 'the descriptor is closed')
    return number
  }

  /** The kind of object it is open to. `'memory'`: a memfd, or a shared-memory object. */
  get kind(): DescriptorKind {
    return native.descriptorKind(this.number)
  }

  get closed(): boolean {
    return this.#owned.number < 0
  }

  /** Another descriptor of the same open file. */
  dup(): FileDescriptor {
    return new FileDescriptor(native.duplicateDescriptor(this.number))
  }

  /** Gives the number away: whoever has it now closes it. */
  detach(): number {
    const { number } = this
    native.releaseDescriptor(number)
    this.#owned.number = -1
    return number
  }

  /** Idempotent. */
  close(): void {
    close(this.#owned)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** A stream of what can be read; the descriptor is the stream's from now on. */
  toReadStream(): Readable {
    if (this.#isForTheLoop()) return this.#toNetSocket({ readable: true, writable: false })
    return createReadStream('', { fd: this.detach() })
  }

  /** A stream that writes; the descriptor is the stream's from now on. */
  toWriteStream(): Writable {
    if (this.#isForTheLoop()) return this.#toNetSocket({ readable: false, writable: true })
    return createWriteStream('', { fd: this.detach() })
  }

  /** A connected socket as a `net.Socket` of Node's, which has the descriptor from now on. */
  toSocket(): Socket {
    this.#checkUse('connection', 'a connected stream socket')
    return this.#toNetSocket({ readable: true, writable: true })
  }

  /** A listening socket as a `net.Server` of Node's, which has the descriptor from now on. */
  toServer(): Server {
    this.#checkUse('listener', 'a listening stream socket')
    return createServer().listen({ fd: this.detach() })
  }

  // fs streams would read a pipe or a socket in the thread pool, and fail where it is non-blocking.
  #isForTheLoop(): boolean {
    const { kind } = this
    if (kind === 'socket')
      this.#checkUse('connection', 'a file, a pipe or a connected stream socket')
    return kind === 'pipe' || kind === 'socket'
  }

  // A descriptor that Node cannot use must not be given to it: it may neither take nor close it.
  #checkUse(wanted: 'connection' | 'listener', what: string): void {
    const { kind } = this
    const use = kind === 'socket' ? native.socketUse(this.number) : 'other'
    if (use !== wanted) {
      throw invalidArgument('the descriptor', what, kind === 'socket' ? `a socket: ${use}` : kind)
    }
  }

  #toNetSocket(options: { readable: boolean; writable: boolean }): Socket {
    const socket = new Socket({ ...options, fd: this.number })
    this.detach() // only now: it has not failed
    return socket
  }
}

export function checkDescriptor(name: string, value: unknown): asserts value is number {
  checkInteger(name, value, 0, largestDescriptor)
}

/** Whatever has a descriptor: its number. */
export type DescriptorSource =
  | number
  | FileDescriptor
  /** A `fs.FileHandle`, `SharedMemory`, `Ring`, `UnixServer`, `UnixConnection`, `UnixDatagram`. */
  | { readonly fd: number }
  /** A `net.Socket` or `net.Server` of Node's. */
  | Socket
  | Server

/** The number behind it; what is there stays the source's. */
export function descriptorNumber(name: string, source: unknown): number {
  let number: unknown = source
  try {
    if (source instanceof FileDescriptor) return source.number
    if (typeof source === 'object' && source !== null) {
      const { fd, _handle } = source as { fd?: unknown; _handle?: { fd?: unknown } | null }
      number = fd ?? _handle?.fd
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0) {
    throw invalidArgument(name, 'an open descriptor, or an object that has one', source)
  }
  checkDescriptor(name, number)
  return number
}
