import { constants } from 'node:buffer'

import {
  checkBoolean,
  checkInteger,
  checkMode,
  checkOwner,
  checkString,
  ownOptions,
  requiredOptions,
  type UserId,
} from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { leaks } from '../core/leak_guard.js'
import { identityOf, whereNameLeads } from './identity.js'
import { requireDescriptors, requireHandles } from './platform.js'
import { native, type SharedMemoryHandle } from './native.js'
import { listSharedMemory, type SharedMemoryInfo } from './list.js'

/** The options of {@link SharedMemory.create}. */
export interface CreateMemoryOptions {
  /** Bytes, at least 1. */
  size: number
  /**
   * Permissions to open it; default `0o600`, this user alone. Set exactly, whatever the umask. On Windows
   * nobody else can be let in.
   */
  mode?: number | undefined
  /** Default true: an existing object is an error. False: one of the same size is opened. */
  exclusive?: boolean | undefined
}

/** The options of {@link SharedMemory.open}. */
export interface OpenMemoryOptions {
  /** Bytes from the start of the memory; default 0. Need not be aligned. */
  offset?: number | undefined
  /** Bytes; by default to the end of the memory. */
  length?: number | undefined
  /** Default false. True: stores stay in this process (copy-on-write) and never reach the others. */
  readOnly?: boolean | undefined
  /**
   * Whose object is accepted beside the current user's and root's, by default nobody's: a user id (on
   * Windows a SID), or `'any'`.
   */
  owner?: UserId | 'any' | undefined
}

/** The options of {@link SharedMemory.anonymous}. */
export interface AnonymousMemoryOptions {
  /** Bytes, at least 1. With huge pages it is rounded up to 2 MiB. */
  size: number
  /** Default true: the size can never change again, so no holder can make another fault. */
  seal?: boolean | undefined
  /** Default false. Linux only; needs pages reserved in `vm.nr_hugepages`. */
  hugePages?: boolean | undefined
}

/** The options of {@link SharedMemory.fromFd}. */
export interface FromFdOptions {
  /** Bytes from the start of the memory; default 0. Need not be aligned. */
  offset?: number | undefined
  /** Bytes; by default to the end of the memory. */
  length?: number | undefined
  /** Default true: refuse memory that its other holders could shrink (`ERR_SLUICE_UNSEALED`). */
  requireSeals?: boolean | undefined
  /** Default false; see {@link OpenMemoryOptions.readOnly}. */
  readOnly?: boolean | undefined
}

/** The options of {@link SharedMemory.fromHandle}. */
export interface FromHandleOptions {
  /** Default false; see {@link OpenMemoryOptions.readOnly}. */
  readOnly?: boolean | undefined
}

/** The options of {@link SharedMemory.mapFile}. */
export interface MapFileOptions {
  /** Bytes from the start of the file; default 0. Need not be aligned. */
  offset?: number | undefined
  /** Bytes; by default to the end of the file. */
  length?: number | undefined
  /** Default false. True: stores stay in this process (copy-on-write). */
  readOnly?: boolean | undefined
  /** Default false. True: read the whole range in now rather than at the first access. */
  populate?: boolean | undefined
}

/**
 * Memory that several processes can map at once.
 *
 * Every byte is allocated when the object is created: a full `/dev/shm` is `ENOSPC` then, and
 * never a fault later. `close()` detaches the buffers: views have length 0 from then on. The
 * mapping itself goes when nothing uses it any more. Do not close memory that an operation of
 * another library (`zlib`, `crypto`, a socket's write) is still reading in the background.
 *
 * Sources: shm_overview(7), memfd_create(2), mmap(2).
 *
 * @example
 * ```ts
 * const memory = SharedMemory.create('/counters', { size: 4096 })
 * const counters = new Int32Array(memory.buffer)
 * Atomics.add(counters, 0, 1) // another process that opened '/counters' sees it
 * memory.unlink()
 * memory.close()
 * ```
 */
export class SharedMemory {
  readonly #handle: SharedMemoryHandle
  readonly #size: number
  readonly #name: string | undefined
  #buffer: ArrayBuffer | undefined
  #sharedBuffer: SharedArrayBuffer | undefined
  #open = true

  // A buffer that is in use keeps its object from being collected, and so from being closed.
  static readonly #owners = new WeakMap<object, SharedMemory>()

  private constructor(handle: SharedMemoryHandle) {
    this.#handle = handle
    this.#size = handle.size()
    this.#name = handle.name() || undefined
    const release = () => {
      handle.close()
    }
    leaks.register(this, { what: `SharedMemory ${this.#name ?? ''}`.trim(), release }, this)
  }

  /**
   * Makes a named object. Names are 1 to 254 bytes (macOS: 30) without a slash, except for an
   * optional leading one. It lives until it is unlinked or the machine restarts.
   *
   * @throws `EEXIST`, `ENOSPC`, `ENOMEM`, `EACCES`, `ERR_SLUICE_INVALID_ARGUMENT`.
   */
  static create(name: string, options: CreateMemoryOptions): SharedMemory {
    const {
      size,
      mode = 0o600,
      exclusive = true,
    } = requiredOptions(options, ['size', 'mode', 'exclusive'])
    checkString('name', name)
    checkInteger('options.size', size, 1)
    checkMode(mode)
    checkBoolean('options.exclusive', exclusive)
    return new SharedMemory(native.createMemory(name, size, mode, exclusive))
  }

  /**
   * Opens a named object, or a range of it.
   *
   * Names can be squatted on: any local user may create one. Hence an object of another user
   * (but root) is refused unless `owner` says otherwise.
   *
   * @throws `ENOENT`, `EACCES` (on Windows `EPERM`), `ERR_SLUICE_UNTRUSTED_OWNER`,
   * `ERR_SLUICE_INVALID_ARGUMENT`, also for a range outside of the memory.
   *
   * @example
   * ```ts
   * const memory = SharedMemory.create('/counters', { size: 4096 })
   * const head = SharedMemory.open('/counters', { length: 64, readOnly: true }) // in any process
   * console.log(head.size, new Uint8Array(head.buffer)[0])
   * head.close()
   * memory.unlink()
   * memory.close()
   * ```
   */
  static open(name: string, options: OpenMemoryOptions = {}): SharedMemory {
    const {
      offset = 0,
      length,
      readOnly = false,
      owner,
    } = ownOptions(options, ['offset', 'length', 'readOnly', 'owner'])
    checkString('name', name)
    checkRange(offset, length)
    checkBoolean('options.readOnly', readOnly)
    checkOwner(owner)
    return new SharedMemory(native.openMemory(name, readOnly, owner, offset, length))
  }

  /**
   * Makes memory without a name, to be inherited or sent by its descriptor, on Windows by its handle. On
   * Linux a sealed memfd; on macOS nothing can be sealed.
   *
   * @throws `ENOMEM`; with huge pages `ENOSPC`, `ENOMEM` when too few are reserved
   * (`vm.nr_hugepages`); `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * const memory = SharedMemory.anonymous({ size: 4096 })
   * console.log(memory.name, memory.size)
   * memory.close()
   * ```
   */
  static anonymous(options: AnonymousMemoryOptions): SharedMemory {
    const {
      size,
      seal = true,
      hugePages = false,
    } = requiredOptions(options, ['size', 'seal', 'hugePages'])
    checkInteger('options.size', size, 1)
    checkBoolean('options.seal', seal)
    checkBoolean('options.hugePages', hugePages)
    return new SharedMemory(native.anonymousMemory(size, seal, hugePages))
  }

  /**
   * Maps the memory behind a descriptor that was inherited or received, or a range of it. The
   * descriptor is duplicated and stays the caller's to close. Not on Windows; see `fromHandle`.
   *
   * @throws `EBADF`; `ERR_SLUICE_UNSEALED` unless it is sealed against shrinking or `requireSeals` is false;
   * `ERR_SLUICE_INVALID_ARGUMENT` for a range outside of the memory; `ERR_SLUICE_UNSUPPORTED` on Windows.
   *
   * @example
   * ```ts
   * const memory = SharedMemory.anonymous({ size: 4096 })
   * const same = SharedMemory.fromFd(memory.fd) // in another process: a number that it inherited or received
   * console.log(same.size)
   * same.close()
   * memory.close()
   * ```
   */
  static fromFd(fd: number, options: FromFdOptions = {}): SharedMemory {
    requireDescriptors()
    const {
      offset = 0,
      length,
      requireSeals = true,
      readOnly = false,
    } = ownOptions(options, ['offset', 'length', 'requireSeals', 'readOnly'])
    checkInteger('fd', fd, 0, 2 ** 31 - 1)
    checkRange(offset, length)
    checkBoolean('options.requireSeals', requireSeals)
    checkBoolean('options.readOnly', readOnly)
    return new SharedMemory(native.memoryFromDescriptor(fd, requireSeals, readOnly, offset, length))
  }

  /**
   * Maps the memory behind a handle that was received. The handle is duplicated and stays the
   * caller's to close. Windows only.
   *
   * @throws `EBADF`; `ERR_SLUICE_UNSEALED` for memory that was reserved and is not there;
   * `ERR_SLUICE_UNSUPPORTED` on other systems.
   *
   * @example
   * ```ts
   * const memory = SharedMemory.anonymous({ size: 4096 })
   * const same = SharedMemory.fromHandle(memory.handle) // in another process: of a handle that it received
   * console.log(same.size)
   * same.close()
   * memory.close()
   * ```
   */
  static fromHandle(handle: number, options: FromHandleOptions = {}): SharedMemory {
    requireHandles()
    const { readOnly = false } = ownOptions(options, ['readOnly'])
    checkInteger('handle', handle, 1, 2 ** 31 - 1)
    checkBoolean('options.readOnly', readOnly)
    return new SharedMemory(native.memoryFromDescriptor(handle, false, readOnly, 0, undefined))
  }

  /**
   * Maps a file, or a range of it. If somebody truncates the file, an access to what is gone
   * ends the process with SIGBUS: map only files that nobody truncates.
   *
   * @throws `ENOENT`, `EACCES` (on Windows `EPERM`), `EISDIR` for a folder that is to be written,
   * `ERR_SLUICE_INVALID_ARGUMENT` for a range outside of the file, an empty file, or what else is no
   * regular file.
   *
   * @example
   * ```ts
   * import { writeFileSync } from 'node:fs'
   *
   * writeFileSync('/tmp/table', Buffer.alloc(4096))
   * const memory = SharedMemory.mapFile('/tmp/table', { offset: 1024, length: 16 })
   * new Uint8Array(memory.buffer)[0] = 1
   * await memory.sync()
   * memory.close()
   * ```
   */
  static mapFile(path: string, options: MapFileOptions = {}): SharedMemory {
    const {
      offset = 0,
      length,
      readOnly = false,
      populate = false,
    } = ownOptions(options, ['offset', 'length', 'readOnly', 'populate'])
    checkString('path', path)
    checkRange(offset, length)
    checkBoolean('options.readOnly', readOnly)
    checkBoolean('options.populate', populate)
    return new SharedMemory(native.mapFile(path, offset, length, readOnly, populate))
  }

  /**
   * All named objects of this machine, sluice's or not. On Windows those that sluice has made in this
   * session, as far as this user may look at them.
   *
   * @throws (rejects) `ERR_SLUICE_UNSUPPORTED` on macOS.
   *
   * @example
   * ```ts
   * if (capabilities().listing) {
   *   for (const { name, size } of await SharedMemory.list()) console.log(name, size)
   * }
   * ```
   */
  static list(): Promise<SharedMemoryInfo[]> {
    return listSharedMemory()
  }

  /**
   * Removes a name. Processes that have the object open keep it.
   *
   * @throws `ENOENT`, `EACCES`, `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * const memory = SharedMemory.create('/counters', { size: 4096 })
   * SharedMemory.unlink('/counters') // on Windows it does nothing: the name goes with the last who has it
   * memory.close()
   * ```
   */
  static unlink(name: string): void {
    checkString('name', name)
    native.unlinkMemory(name)
  }

  /**
   * The memory as an ArrayBuffer, the same one each time.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` where the runtime forbids such buffers (Electron), and for
   * memory longer than its longest (4 GiB before Node 21; `buffer.constants.MAX_LENGTH`): map that
   * in parts, with `offset` and `length` of `open`, `fromFd` or `mapFile`; `ERR_SLUICE_CLOSED`.
   */
  get buffer(): ArrayBuffer {
    this.#requireOpen()
    this.#requireBufferLength()
    this.#buffer ??= this.#handle.buffer()
    if (this.#buffer === undefined) {
      throw new SluiceError(
        'ERR_SLUICE_UNSUPPORTED',
        'this runtime forbids ArrayBuffers over memory that is not its own',
      )
    }
    SharedMemory.#owners.set(this.#buffer, this)
    return this.#buffer
  }

  /**
   * The memory as a SharedArrayBuffer, for workers of this process. It cannot be detached: its views
   * stay usable after `close()`, and the memory stays mapped until they are collected.
   *
   * `Atomics.wait` and `Atomics.notify` on it work between the threads of one process only: V8 keeps
   * the list of who waits in the process. `Atomics.notify` here never wakes another process; to
   * wait for one, use a `Ring`, whose doorbell is the system's. Loads, stores and other operations of
   * `Atomics` do work between processes.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` before Node 22.23, 24.16 and 26.1, and for memory that is too
   * long, as with `buffer`; `ERR_SLUICE_CLOSED`.
   */
  get sharedBuffer(): SharedArrayBuffer {
    this.#requireOpen()
    this.#requireBufferLength()
    this.#sharedBuffer ??= this.#handle.sharedBuffer()
    if (this.#sharedBuffer === undefined) {
      throw new SluiceError(
        'ERR_SLUICE_UNSUPPORTED',
        `Node ${process.versions.node} cannot make a SharedArrayBuffer over foreign memory`,
      )
    }
    SharedMemory.#owners.set(this.#sharedBuffer, this)
    return this.#sharedBuffer
  }

  /** Bytes. */
  get size(): number {
    return this.#size
  }

  /** With its leading slash; undefined unless it was created or opened by name. */
  get name(): string | undefined {
    return this.#name
  }

  /**
   * Whether the name still leads to this memory: not when it was removed, or given to other memory. On
   * Windows a name leads to its memory as long as that is open anywhere.
   */
  get isNamed(): boolean {
    if (!this.#open || this.#name === undefined) return false
    if (process.platform === 'win32') return true
    return whereNameLeads(this.#name, identityOf(this.#handle.descriptor())) === 'here'
  }

  /**
   * The descriptor behind the memory, to inherit or to send; it stays this object's to close. Not on
   * Windows.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_UNSUPPORTED` on Windows.
   */
  get fd(): number {
    this.#requireOpen()
    requireDescriptors()
    return this.#handle.descriptor()
  }

  /**
   * The handle behind the memory, to send; it stays this object's to close. Windows only.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_UNSUPPORTED` on other systems.
   */
  get handle(): number {
    this.#requireOpen()
    requireHandles()
    return this.#handle.descriptor()
  }

  /**
   * Writes a mapped file's changes back; resolves when they are on the device. See msync(2).
   *
   * @throws (rejects) `EIO`, `ERR_SLUICE_CLOSED`.
   */
  async sync(): Promise<void> {
    this.#requireOpen()
    await this.#handle.sync()
  }

  /**
   * Removes the name, whoever has it by now. The memory lives on for who has it. On Windows this does
   * nothing: a name goes with the last who has it open.
   *
   * @throws `ENOENT`, `ERR_SLUICE_INVALID_STATE` for memory without a name.
   */
  unlink(): void {
    if (this.#name === undefined) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'this shared memory has no name')
    }
    // On Windows the name goes by itself, perhaps has gone already.
    if (process.platform !== 'win32') native.unlinkMemory(this.#name)
  }

  /** Detaches the buffer and lets go of the memory. Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    leaks.unregister(this)
    if (this.#buffer !== undefined) native.detachBuffer(this.#buffer)
    this.#buffer = undefined
    this.#sharedBuffer = undefined
    this.#handle.close()
  }

  /** Closes the memory at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  #requireOpen(): void {
    if (!this.#open) throw new SluiceError('ERR_SLUICE_CLOSED', 'the shared memory is closed')
  }

  // Asked beforehand, because not every engine survives being asked for more.
  #requireBufferLength(): void {
    if (this.#size <= constants.MAX_LENGTH) return
    throw new SluiceError(
      'ERR_SLUICE_UNSUPPORTED',
      `this runtime has no ArrayBuffer of ${String(this.#size)} bytes, at most ` +
        `${String(constants.MAX_LENGTH)}; map the memory in parts: SharedMemory.open, ` +
        'fromFd and mapFile take offset and length',
    )
  }
}

function checkRange(offset: unknown, length: unknown): void {
  checkInteger('options.offset', offset, 0)
  if (length !== undefined) checkInteger('options.length', length, 1)
}
