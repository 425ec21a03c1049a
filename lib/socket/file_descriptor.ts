import { createReadStream, createWriteStream } from 'node:fs'
import { createServer, Socket, type Server } from 'node:net'
import type { Readable, Writable } from 'node:stream'

import { checkInteger, invalidArgument, unreadable } from '../core/arguments.js'
import { makeOneOfAllCopies } from '../core/copies.js'
import { SluiceError } from '../core/errors.js'
import { LeakGuard } from '../core/leak_guard.js'
import { native } from './native.js'
import { requireSockets } from './native.js'

/** The kind of object that a {@link FileDescriptor} is open to. */
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
 * collector with a warning if that was forgotten. It is close-on-exec. Not on Windows, which has
 * {@link SystemHandle}.
 *
 * @example
 * ```ts
 * import { open } from 'node:fs/promises'
 *
 * const [one, other] = socketPair()
 * const file = await open('/tmp/notes', 'w+')
 * await file.write('hello')
 * await one.send(Buffer.from('notes'), { fds: [file] })
 * await file.close()
 *
 * const message = await other.receive()
 * for (const descriptor of message?.fds ?? []) {
 *   console.log(descriptor.kind, descriptor.number)
 *   descriptor.close()
 * }
 * one.close()
 * other.close()
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

  /**
   * Takes a descriptor over: from now on it is this object's to close.
   *
   * @throws `EBADF` unless it is open, `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` on
   * Windows.
   *
   * @example
   * ```ts
   * import { closeSync, openSync } from 'node:fs'
   *
   * const descriptor = FileDescriptor.adopt(openSync('/tmp/notes', 'w'))
   * closeSync(descriptor.detach()) // from here on it is not the object's
   * ```
   */
  static adopt(fd: number): FileDescriptor {
    requireSockets()
    checkDescriptor('fd', fd)
    return new FileDescriptor(native.adoptDescriptor(fd))
  }

  /**
   * A duplicate of a descriptor that stays the caller's.
   *
   * @throws `EBADF`, `EMFILE`, `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` on Windows.
   *
   * @example
   * ```ts
   * const descriptor = FileDescriptor.duplicate(process.stderr.fd)
   * const other = descriptor.dup()
   * descriptor.close()
   * other.close()
   * ```
   */
  static duplicate(fd: number): FileDescriptor {
    requireSockets()
    checkDescriptor('fd', fd)
    return new FileDescriptor(native.duplicateDescriptor(fd))
  }

  /**
   * The descriptor, a number that stays this object's to close.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get number(): number {
    const { number } = this.#owned
    if (number < 0) throw new SluiceError('ERR_SLUICE_CLOSED', 'the descriptor is closed')
    return number
  }

  /**
   * The kind of object it is open to. `'memory'`: a memfd, or a shared-memory object.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get kind(): DescriptorKind {
    return native.descriptorKind(this.number)
  }

  /** Whether it has been closed or given away. */
  get closed(): boolean {
    return this.#owned.number < 0
  }

  /**
   * Another descriptor of the same open file.
   *
   * @throws `EMFILE`, `ERR_SLUICE_CLOSED`.
   */
  dup(): FileDescriptor {
    return new FileDescriptor(native.duplicateDescriptor(this.number))
  }

  /**
   * Gives the number away: whoever has it now closes it.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
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

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * A stream of what can be read; the descriptor is the stream's from now on.
   *
   * @throws `ERR_SLUICE_CLOSED`; `ERR_SLUICE_INVALID_ARGUMENT` for a socket that is not a connected stream.
   */
  toReadStream(): Readable {
    if (this.#isForTheLoop()) return this.#toNetSocket({ readable: true, writable: false })
    return createReadStream('', { fd: this.detach() })
  }

  /**
   * A stream that writes; the descriptor is the stream's from now on.
   *
   * @throws as `toReadStream`.
   *
   * @example
   * ```ts
   * import { openSync } from 'node:fs'
   * import { text } from 'node:stream/consumers'
   * import { finished } from 'node:stream/promises'
   *
   * const descriptor = FileDescriptor.adopt(openSync('/tmp/notes', 'w'))
   * await finished(descriptor.toWriteStream().end('hello'))
   * const same = FileDescriptor.adopt(openSync('/tmp/notes', 'r'))
   * console.log(await text(same.toReadStream()))
   * ```
   */
  toWriteStream(): Writable {
    if (this.#isForTheLoop()) return this.#toNetSocket({ readable: false, writable: true })
    return createWriteStream('', { fd: this.detach() })
  }

  /**
   * A connected socket as a `net.Socket` of Node's, which has the descriptor from now on.
   *
   * @throws `ERR_SLUICE_CLOSED`; `ERR_SLUICE_INVALID_ARGUMENT` for anything but a connected stream socket.
   *
   * @example
   * ```ts
   * const [one, other] = socketPair()
   * const socket = FileDescriptor.duplicate(one.fd).toSocket()
   * one.close()
   * socket.end('hello')
   * for await (const chunk of other) console.log(chunk.toString())
   * ```
   */
  toSocket(): Socket {
    this.#checkUse('connection', 'a connected stream socket')
    return this.#toNetSocket({ readable: true, writable: true })
  }

  /**
   * A listening socket as a `net.Server` of Node's, which has the descriptor from now on.
   *
   * @throws `ERR_SLUICE_CLOSED`; `ERR_SLUICE_INVALID_ARGUMENT` for anything but a listening stream socket.
   *
   * @example
   * ```ts
   * import { once } from 'node:events'
   *
   * const server = await UnixServer.listen('/run/app/app.sock')
   * const same = FileDescriptor.duplicate(server.fd).toServer()
   * await once(same, 'listening')
   * server.close()
   * same.close()
   * ```
   */
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

/** Whatever has a descriptor, to send it over a {@link UnixConnection}: its number. */
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
