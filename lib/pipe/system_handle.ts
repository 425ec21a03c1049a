import { checkInteger, invalidArgument, unreadable } from '../core/arguments.js'
import { makeOneOfAllCopies } from '../core/copies.js'
import { SluiceError } from '../core/errors.js'
import { LeakGuard } from '../core/leak_guard.js'
import { native } from './native.js'
import type { HandleKind } from './native.js'
import { requirePipes } from './native.js'

// Above are the pseudo-handles, which mean the process or thread that uses them.
export const largestHandle = 2 ** 31 - 1

/** A number, or 0 when it is closed or somebody else's. */
interface Owned {
  number: number
}

const leftOpen = new LeakGuard<Owned>(({ number }) => {
  return number === 0 ? undefined : `SystemHandle ${String(number)}`
}, close)

function close(owned: Owned): void {
  if (owned.number === 0) return
  native.closeHandle(owned.number)
  owned.number = 0
}

/**
 * An open handle of Windows that belongs to this object: it is closed with it, and by the garbage
 * collector with a warning if that was forgotten. No child process inherits it. Windows only; elsewhere
 * there is {@link FileDescriptor}.
 *
 * @example
 * ```ts
 * const server = await NamedPipeServer.listen('app', { mode: 'message', handles: true })
 * const client = await connectNamedPipe('app', { mode: 'message', handles: true })
 * const connection = await server.accept()
 * const memory = SharedMemory.anonymous({ size: 4096 })
 * const sent = client.send(Buffer.from('take this'), { handles: [memory] })
 *
 * const message = await connection.receive({ timeout: 1000 })
 * await sent
 * for (const handle of message?.handles ?? []) {
 *   console.log(message?.data.toString(), handle.kind) // 'memory'
 *   handle.close()
 * }
 * for (const one of [memory, client, connection, server]) one.close()
 * ```
 */
export class SystemHandle {
  readonly #owned: Owned

  static {
    makeOneOfAllCopies(this, 'SystemHandle')
  }

  /** @internal */
  constructor(number: number) {
    this.#owned = { number }
    leftOpen.register(this, this.#owned)
  }

  /**
   * Takes a handle over: from now on it is this object's to close.
   *
   * @throws `EBADF` unless it is open; `ERR_SLUICE_INVALID_STATE` when another SystemHandle has it;
   * `ERR_SLUICE_INVALID_ARGUMENT`; `ERR_SLUICE_UNSUPPORTED` on other systems.
   */
  static adopt(handle: number): SystemHandle {
    requirePipes()
    checkHandle('handle', handle)
    native.adoptHandle(handle)
    return new SystemHandle(handle)
  }

  /**
   * A duplicate of a handle that stays the caller's.
   *
   * @throws `EBADF`, `ERR_SLUICE_INVALID_ARGUMENT`, `ERR_SLUICE_UNSUPPORTED` on other systems.
   *
   * @example
   * ```ts
   * const memory = SharedMemory.anonymous({ size: 4096 })
   * const handle = SystemHandle.duplicate(memory.handle)
   * const other = handle.dup()
   * const number = other.detach() // from here on it is not the object's
   * SystemHandle.adopt(number).close()
   * handle.close()
   * memory.close()
   * ```
   */
  static duplicate(handle: number): SystemHandle {
    requirePipes()
    checkHandle('handle', handle)
    return new SystemHandle(native.duplicateHandle(handle))
  }

  /**
   * The handle, a number that stays this object's to close.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get number(): number {
    const { number } = this.#owned
    if (number === 0) throw new SluiceError('ERR_SLUICE_CLOSED', 'the handle is closed')
    return number
  }

  /**
   * The kind of object it is open to. `'file'`: whatever can be read and written, a pipe or a
   * socket as well; `'memory'`: a section, as behind a SharedMemory or a Ring.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  get kind(): HandleKind {
    return native.handleKind(this.number)
  }

  /** Whether it has been closed or given away. */
  get closed(): boolean {
    return this.#owned.number === 0
  }

  /**
   * Another handle to the same object.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  dup(): SystemHandle {
    return new SystemHandle(native.duplicateHandle(this.number))
  }

  /**
   * Gives the number away: whoever has it now closes it.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  detach(): number {
    const { number } = this
    native.releaseHandle(number)
    this.#owned.number = 0
    return number
  }

  /**
   * Makes a descriptor for Node's `fs` of it, which has the handle from now on. The system is asked
   * what it is, and waits with its answer while somebody reads from a pipe that is not overlapped:
   * not for what comes from a process that is not trusted.
   *
   * @throws `EMFILE`, `ERR_SLUICE_CLOSED`.
   *
   * @example
   * ```ts
   * import { closeSync, writeSync } from 'node:fs'
   * import { open } from 'node:fs/promises'
   *
   * const server = await NamedPipeServer.listen('app', { mode: 'message', handles: true })
   * const client = await connectNamedPipe('app', { mode: 'message', handles: true })
   * const connection = await server.accept()
   * const file = await open('/tmp/notes', 'w')
   * const sent = client.send(Buffer.from('notes'), { handles: [file] })
   *
   * const message = await connection.receive({ timeout: 1000 })
   * await sent
   * await file.close()
   * for (const handle of message?.handles ?? []) {
   *   const fd = handle.toFd()
   *   writeSync(fd, 'hello')
   *   closeSync(fd)
   * }
   * for (const one of [client, connection, server]) one.close()
   * ```
   */
  toFd(): number {
    const fd = native.descriptorOfHandle(this.number)
    this.#owned.number = 0
    return fd
  }

  /** Idempotent. */
  close(): void {
    close(this.#owned)
  }

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }
}

export function checkHandle(name: string, value: unknown): asserts value is number {
  checkInteger(name, value, 1, largestHandle)
}

/** Whatever has a handle, to send it over a {@link NamedPipeConnection}. */
export type HandleSource =
  /** The handle's own number; not a descriptor. */
  | number
  | SystemHandle
  /** `SharedMemory`, `Ring`. */
  | { readonly handle: number }
  /** A `fs.FileHandle`. */
  | { readonly fd: number }

/** The number behind it; what is there stays the source's. */
export function handleNumber(name: string, source: unknown): number {
  let number: unknown = source
  try {
    if (source instanceof SystemHandle) return source.number
    if (typeof source === 'object' && source !== null) {
      const { handle } = source as { handle?: unknown }
      number = handle ?? handleOfDescriptor(name, source)
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  checkHandleSource(name, number, source)
  return number
}

function handleOfDescriptor(name: string, source: object): number {
  const { fd } = source as { fd?: unknown }
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0 || fd > largestHandle) {
    throw noHandle(name, source)
  }
  return native.handleOfDescriptor(fd)
}

function checkHandleSource(
  name: string,
  number: unknown,
  source: unknown,
): asserts number is number {
  const valid =
    typeof number === 'number' && Number.isInteger(number) && number > 0 && number <= largestHandle
  if (!valid) throw noHandle(name, source)
}

function noHandle(name: string, source: unknown): SluiceError {
  return invalidArgument(name, 'an open handle, or an object that has one', source)
}
