import {
  checkBoolean,
  checkInteger,
  checkMode,
  checkOwner,
  checkString,
  invalidArgument,
  ownOptions,
  type UserId,
} from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { leaks } from '../core/leak_guard.js'
import { retry, type Backoff } from '../core/retry.js'
import { checkWaitOptions, waitOptionNames, type WaitOptions } from '../core/wait_options.js'
import { notYet } from '../core/wait_queue.js'
import { requireDescriptors, requireHandles } from '../memory/platform.js'
import { native as memoryNative, type SharedMemoryHandle } from '../memory/native.js'
import { native, type RingHandle, type RingStats } from './native.js'
import { claimConsumer, claimProducer, type RingAccess } from './claim.js'
import type { MakeDoorbell } from './doorbell.js'
import { Consumer } from './consumer.js'
import { syncSliceMs, type Endpoint } from './endpoint.js'
import { identityOf, whereNameLeads, type Identity } from '../memory/identity.js'
import { inspectRing, unfinishedRing, type RingView, type UnfinishedRing } from './inspect.js'
import { maximumCapacity, maxMessageLength, minimumCapacity } from './layout.js'
import { checkSpin } from './polling.js'
import { Producer } from './producer.js'

const defaultCapacity = 2 ** 20
const defaultTimeout = 1000

/** The options of {@link Ring.create}. */
export interface CreateRingOptions {
  /** Bytes of data: a power of two from 4 KiB to 1 GiB; default 1 MiB. */
  capacity?: number | undefined
  /**
   * Permissions to open it; default `0o600`, this user alone. Set exactly, whatever the umask. On Windows
   * nobody else can be let in.
   */
  mode?: number | undefined
}

/** The options of {@link Ring.open}. */
export interface OpenRingOptions {
  /**
   * Milliseconds to wait for a creator that has made the name and not yet the ring; default 1000.
   * The wait blocks the thread. It is over as soon as the memory is allocated, unless the creator has
   * died; `openOrCreate` then makes the ring anew without waiting.
   */
  timeout?: number | undefined
  /**
   * Whose ring is accepted beside the current user's and root's, by default nobody's: a user id (on
   * Windows a SID), or `'any'`.
   */
  owner?: UserId | 'any' | undefined
}

/** The options of {@link Ring.anonymous}. */
export interface AnonymousRingOptions {
  /** See {@link CreateRingOptions.capacity}. */
  capacity?: number | undefined
}

/** The options of {@link Ring.fromFd}. */
export interface RingFromFdOptions {
  /** Default true: refuse memory that its other holders could shrink (`ERR_SLUICE_UNSEALED`). */
  requireSeals?: boolean | undefined
}

/** The options of {@link Ring.producer} and {@link Ring.consumer}. */
export interface EndpointOptions {
  /**
   * Microseconds for which a wait looks for its peer's doings before it sleeps; 0: never. By
   * default up to 50, and only while that has paid lately.
   */
  spin?: number | undefined
}

/** The options of {@link Ring.claimProducer} and {@link Ring.claimConsumer}. */
export interface ClaimOptions extends EndpointOptions, WaitOptions {}

/** Long pauses: a role may be waited for by those who stand by for hours. */
const claimBackoff: Backoff = { firstMs: 1, longestMs: 100 }

/**
 * A bounded queue of byte messages in shared memory, from one producer to one consumer, in two
 * processes or one. No system call is made while both sides are awake.
 *
 * The format is described in docs/ring-format.md; peers may be written in any language.
 *
 * @example
 * ```ts
 * const ring = Ring.openOrCreate('/ticks', { capacity: 1 << 20 })
 * const producer = await ring.claimProducer() // when all of the last one has been read
 * await producer.write(Buffer.from('hello'))
 * producer.close()
 *
 * // In this process or in another:
 * const same = Ring.open('/ticks')
 * for await (const message of same.consumer()) console.log(message.toString())
 * same.unlink()
 * same.close()
 * ring.close()
 * ```
 */
export class Ring {
  /** Bytes of data. */
  readonly capacity: number
  /** The longest payload of a message: half the capacity less 16 bytes. */
  readonly maxMessageLength: number
  /** With its leading slash; undefined unless it was created or opened by name. */
  readonly name: string | undefined
  readonly #handle: RingHandle
  readonly #memory: SharedMemoryHandle
  readonly #buffer: ArrayBuffer | undefined
  readonly #endpoints = new Set<Endpoint>()
  /** Undefined without a name, and on Windows. */
  readonly #identity: Identity | undefined
  #open = true

  private constructor(handle: RingHandle) {
    this.#handle = handle
    this.#memory = handle.memory()
    this.#buffer = handle.buffer()
    this.capacity = handle.capacity()
    this.maxMessageLength = maxMessageLength(this.capacity)
    this.name = this.#memory.name() || undefined
    const isLinked = this.name !== undefined && process.platform !== 'win32'
    this.#identity = isLinked ? identityOf(this.#memory.descriptor()) : undefined
    const memory = this.#memory
    const release = () => {
      memory.close()
      handle.close()
    }
    leaks.register(this, { what: `Ring ${this.name ?? ''}`.trim(), release }, this)
  }

  /**
   * Makes a named ring. Names are as with `SharedMemory.create`.
   *
   * @throws `EEXIST`, `ENOSPC`, `ENOMEM`, `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * const ring = Ring.create('/ticks', { capacity: 2 ** 16 })
   * const { used, producer } = ring.stats()
   * console.log(ring.capacity, used, producer.state)
   * ring.unlink()
   * ring.close()
   * ```
   */
  static create(name: string, options: CreateRingOptions = {}): Ring {
    const { capacity = defaultCapacity, mode = 0o600 } = ownOptions(options, ['capacity', 'mode'])
    checkString('name', name)
    checkCapacity(capacity)
    checkMode(mode)
    return new Ring(native.createRing(name, capacity, mode))
  }

  /**
   * Opens a named ring.
   *
   * @throws `ENOENT`, `EACCES` (on Windows `EPERM`), `ERR_SLUICE_NOT_A_RING`,
   * `ERR_SLUICE_VERSION_MISMATCH`, `ERR_SLUICE_UNTRUSTED_OWNER`, `ERR_SLUICE_TIMEOUT`,
   * `ERR_SLUICE_INVALID_ARGUMENT`.
   */
  static open(name: string, options: OpenRingOptions = {}): Ring {
    const { timeout = defaultTimeout, owner } = ownOptions(options, ['timeout', 'owner'])
    checkString('name', name)
    checkOpenTimeout(timeout)
    checkOwner(owner)
    return new Ring(inSlices(timeout, (slice) => native.openRing(name, slice, owner)))
  }

  /**
   * Opens a named ring, or makes it; the capacity counts only when it is made, and `ring.capacity` says
   * the real one. It also makes a ring that is only half made, because its creator has died on the way.
   *
   * @throws as `create` and `open`, but `EEXIST` and `ENOENT`.
   */
  static openOrCreate(name: string, options: CreateRingOptions & OpenRingOptions = {}): Ring {
    const {
      capacity = defaultCapacity,
      mode = 0o600,
      timeout = defaultTimeout,
      owner,
    } = ownOptions(options, ['capacity', 'mode', 'timeout', 'owner'])
    checkString('name', name)
    checkCapacity(capacity)
    checkMode(mode)
    checkOpenTimeout(timeout)
    checkOwner(owner)
    const open = (slice: number) => native.openOrCreateRing(name, capacity, mode, slice, owner)
    return new Ring(inSlices(timeout, open))
  }

  /**
   * The content of a named ring and the processes at its ends, as of now, whoever made it: no role
   * is claimed and nothing is written. Permission to read it is enough, but the system tells who is
   * `alive` only to a process that may also write.
   *
   * @throws `ENOENT`, `EACCES` (on Windows `EPERM`), `ERR_SLUICE_NOT_A_RING`,
   * `ERR_SLUICE_VERSION_MISMATCH`, `ERR_SLUICE_TIMEOUT` for a ring that is only half made.
   *
   * @example
   * ```ts
   * const ring = Ring.create('/ticks') // by another process
   * const { used, consumer } = Ring.inspect('/ticks')
   * if (used > 0 && consumer.alive === false) console.log('nobody reads')
   * ring.unlink()
   * ring.close()
   * ```
   */
  static inspect(name: string): RingView {
    checkString('name', name)
    return inspectRing(name)
  }

  /**
   * Whether a named ring is not there yet: `'being-made'` while its creator is at it, `'half-made'` when
   * that one has died on the way, which `openOrCreate` mends. Undefined when the ring is there, or the
   * memory is none of a ring. Memory without bytes counts as half made, though it may be anybody's. On
   * Windows nothing is left of a creator that dies.
   *
   * @throws `ENOENT`, `EACCES`.
   *
   * @example
   * ```ts
   * const ring = Ring.create('/ticks')
   * if (Ring.unfinished('/ticks') === 'half-made') Ring.removeHalfMade('/ticks')
   * ring.unlink()
   * ring.close()
   * ```
   */
  static unfinished(name: string): UnfinishedRing | undefined {
    checkString('name', name)
    return unfinishedRing(name)
  }

  /**
   * Removes the name of a ring that is half made; false when it is not.
   *
   * @throws `ENOENT`, `EACCES`.
   */
  static removeHalfMade(name: string): boolean {
    checkString('name', name)
    return native.removeAbandonedRing(name)
  }

  /**
   * Makes a ring without a name, whose descriptor can be inherited or sent.
   *
   * @throws `ENOMEM`, `EMFILE`, `ERR_SLUICE_INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous({ capacity: 2 ** 16 })
   * ring.producer().tryWrite(Buffer.from('hello'))
   * console.log(ring.consumer().tryRead()?.toString())
   * ring.close()
   * ```
   */
  static anonymous(options: AnonymousRingOptions = {}): Ring {
    const { capacity = defaultCapacity } = ownOptions(options, ['capacity'])
    checkCapacity(capacity)
    return new Ring(native.anonymousRing(capacity))
  }

  /**
   * Opens the ring behind a descriptor that was inherited or received. The descriptor is
   * duplicated and stays the caller's to close. Not on Windows; see `fromHandle`.
   *
   * @throws `EBADF`, `ERR_SLUICE_UNSEALED`, `ERR_SLUICE_NOT_A_RING`, `ERR_SLUICE_VERSION_MISMATCH`,
   * `ERR_SLUICE_TIMEOUT` for memory that has not become a ring yet, `ERR_SLUICE_UNSUPPORTED` on Windows.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const same = Ring.fromFd(ring.fd) // in another process: a number that it inherited or received
   * console.log(same.capacity === ring.capacity)
   * same.close()
   * ring.close()
   * ```
   */
  static fromFd(fd: number, options: RingFromFdOptions = {}): Ring {
    requireDescriptors()
    const { requireSeals = true } = ownOptions(options, ['requireSeals'])
    checkInteger('fd', fd, 0, 2 ** 31 - 1)
    checkBoolean('options.requireSeals', requireSeals)
    return new Ring(native.ringFromDescriptor(fd, requireSeals))
  }

  /**
   * Opens the ring behind a handle that was received. The handle is duplicated and stays the
   * caller's to close. Windows only.
   *
   * @throws `EBADF`, `ERR_SLUICE_NOT_A_RING`, `ERR_SLUICE_VERSION_MISMATCH`, `ERR_SLUICE_UNSEALED`,
   * `ERR_SLUICE_UNSUPPORTED` on other systems.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const same = Ring.fromHandle(ring.handle) // in another process: the number of a handle that it received
   * console.log(same.capacity === ring.capacity)
   * same.close()
   * ring.close()
   * ```
   */
  static fromHandle(handle: number): Ring {
    requireHandles()
    checkInteger('handle', handle, 1, 2 ** 31 - 1)
    return new Ring(native.ringFromDescriptor(handle, false))
  }

  /**
   * The handle behind the ring, to send; it stays the ring's to close. Windows only.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_UNSUPPORTED` on other systems.
   */
  get handle(): number {
    this.#requireOpen()
    requireHandles()
    return this.#memory.descriptor()
  }

  /**
   * The descriptor behind the ring, to inherit or to send; it stays the ring's to close. Not on Windows.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_UNSUPPORTED` on Windows.
   */
  get fd(): number {
    this.#requireOpen()
    requireDescriptors()
    return this.#memory.descriptor()
  }

  /**
   * Claims the writing end.
   *
   * @throws `ERR_SLUICE_ROLE_TAKEN` (with `pid`) while a living process has it;
   * `ERR_SLUICE_STREAM_ENDED` when the last producer closed and no consumer has read the end;
   * `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer({ spin: 0 }) // a wait sleeps at once
   * const consumer = ring.consumer()
   * producer.tryWrite(Buffer.from('hello'))
   * console.log((await consumer.read())?.toString())
   * ring.close()
   * ```
   */
  producer(options: EndpointOptions = {}): Producer {
    return Ring.producerOf(this, ownOptions(options, ['spin']))
  }

  /**
   * Claims the reading end.
   *
   * @throws `ERR_SLUICE_ROLE_TAKEN` (with `pid`) while a living process has it;
   * `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`.
   */
  consumer(options: EndpointOptions = {}): Consumer {
    return Ring.consumerOf(this, ownOptions(options, ['spin']))
  }

  /**
   * Claims the writing end as soon as it can be had: when no living process has it, and the end of
   * the last stream has been read. The system tells of neither, so it looks again after pauses of up
   * to 100 ms.
   *
   * @throws (rejects) `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_CLOSED`, `ERR_SLUICE_TIMEOUT`, or the signal's
   * reason.
   */
  claimProducer(options: ClaimOptions = {}): Promise<Producer> {
    return this.#claimed('claimProducer', options, (own) => this.producer(own))
  }

  /**
   * Claims the reading end as soon as no living process has it; otherwise as `claimProducer`.
   *
   * @throws (rejects) as `claimProducer`.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const consumer = await ring.claimConsumer({ timeout: 1000 }) // while another process reads, it waits
   * consumer.close()
   * ring.close()
   * ```
   */
  claimConsumer(options: ClaimOptions = {}): Promise<Consumer> {
    return this.#claimed('claimConsumer', options, (own) => this.consumer(own))
  }

  /**
   * The content of the ring and the processes at its ends, as of now.
   *
   * @throws `ERR_SLUICE_CLOSED`
   */
  stats(): RingStats {
    this.#requireOpen()
    return this.#handle.stats()
  }

  /**
   * Whether the ring's name still leads to it: not when it was removed, or given to a newer ring.
   * On Windows a name leads to its ring as long as that is open anywhere.
   */
  get isNamed(): boolean {
    if (this.name === undefined) return false
    return this.#identity === undefined || whereNameLeads(this.name, this.#identity) === 'here'
  }

  /**
   * Removes the ring's name, so that nobody can open it any more. Processes that have it open keep
   * it. On Windows this does nothing: a name goes with the last process that has it open.
   *
   * @throws `ENOENT` when the name was removed before;
   * `ERR_SLUICE_INVALID_STATE` for a ring without a name, and when the name is that of a newer ring,
   * which is left alone (`SharedMemory.unlink` removes whatever has a name).
   */
  unlink(): void {
    if (this.name === undefined) {
      throw new SluiceError('ERR_SLUICE_INVALID_STATE', 'this ring has no name')
    }
    // On Windows the name goes by itself, perhaps has gone already.
    if (this.#identity === undefined) return
    if (whereNameLeads(this.name, this.#identity) === 'elsewhere') {
      throw new SluiceError(
        'ERR_SLUICE_INVALID_STATE',
        `the name ${this.name} is by now that of another ring, which is left alone`,
      )
    }
    memoryNative.unlinkMemory(this.name)
  }

  /** Closes the ends that were made here and lets go of the memory; views are dead. Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    leaks.unregister(this)
    for (const endpoint of this.#endpoints) endpoint.close()
    if (this.#buffer !== undefined) memoryNative.detachBuffer(this.#buffer)
    this.#memory.close()
    this.#handle.close()
  }

  /** Closes the ring at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  #claimed<E extends Endpoint>(
    what: string,
    options: ClaimOptions,
    claim: (options: EndpointOptions) => E,
  ): Promise<E> {
    const { spin, signal, timeout } = ownOptions(options, ['spin', ...waitOptionNames])
    if (spin !== undefined) checkSpin(spin)
    checkWaitOptions({ signal, timeout })
    const attempt = () => {
      try {
        return claim({ spin })
      } catch (error) {
        if (isTaken(error)) return notYet
        throw error
      }
    }
    return retry(what, attempt, claimBackoff, { signal, timeout }, () => undefined)
  }

  /**
   * The writing end of a ring whose ends wake each other as the caller says.
   *
   * @internal
   */
  static producerOf(ring: Ring, { spin }: EndpointOptions, makeDoorbell?: MakeDoorbell): Producer {
    return ring.#add(new Producer(claimProducer(ring.#access(spin, makeDoorbell)), spin))
  }

  /**
   * The reading end; otherwise as `producerOf`.
   *
   * @internal
   */
  static consumerOf(ring: Ring, { spin }: EndpointOptions, makeDoorbell?: MakeDoorbell): Consumer {
    return ring.#add(new Consumer(claimConsumer(ring.#access(spin, makeDoorbell)), spin))
  }

  #access(spin: number | undefined, makeDoorbell: MakeDoorbell | undefined): RingAccess {
    if (spin !== undefined) checkSpin(spin)
    this.#requireOpen()
    return {
      makeDoorbell,
      handle: this.#handle,
      capacity: this.capacity,
      memory: this.#buffer,
      left: (endpoint) => this.#endpoints.delete(endpoint),
    }
  }

  #add<E extends Endpoint>(endpoint: E): E {
    this.#endpoints.add(endpoint)
    return endpoint
  }

  #requireOpen(): void {
    if (!this.#open) throw new SluiceError('ERR_SLUICE_CLOSED', 'the ring is closed')
  }
}

/** By a living process, or by a stream whose end nobody has read. */
function isTaken(error: unknown): boolean {
  return (
    error instanceof SluiceError &&
    (error.code === 'ERR_SLUICE_ROLE_TAKEN' || error.code === 'ERR_SLUICE_STREAM_ENDED')
  )
}

function checkCapacity(capacity: unknown): asserts capacity is number {
  const valid =
    Number.isInteger(capacity) &&
    Number(capacity) >= minimumCapacity &&
    Number(capacity) <= maximumCapacity &&
    (Number(capacity) & (Number(capacity) - 1)) === 0
  if (!valid) {
    throw invalidArgument(
      'options.capacity',
      `a power of two from ${String(minimumCapacity)} to ${String(maximumCapacity)}`,
      capacity,
    )
  }
}

/** Waits for a creator by short calls, between which a worker that is terminated can end. */
function inSlices<T>(timeout: number, open: (slice: number) => T): T {
  const deadline = performance.now() + timeout
  for (;;) {
    const left = Math.max(0, Math.ceil(deadline - performance.now()))
    if (left <= syncSliceMs) return open(left)
    try {
      return open(syncSliceMs)
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'ERR_SLUICE_TIMEOUT')) throw error
    }
  }
}

function checkOpenTimeout(timeout: unknown): asserts timeout is number {
  checkInteger('options.timeout', timeout, 0, 2 ** 31 - 1)
}
