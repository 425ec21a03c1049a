import { SluiceError, type SluiceErrorCode } from '../core/errors.js'
import { leaks } from '../core/leak_guard.js'
import { WaitStatus, type EndpointHandle, type RingHandle } from './native.js'
import { type WaitOptions } from '../core/wait_options.js'
import { WaitQueue, type notYet } from '../core/wait_queue.js'
import { headerSize, recordHeaderSize, State, stateSize, Status } from './layout.js'
import { Sleeper } from './sleeper.js'

/** What a ring gives to its ends. */
export interface RingAccess {
  handle: RingHandle
  capacity: number
  /** Undefined where the runtime forbids ArrayBuffers over foreign memory. */
  buffer: ArrayBuffer | undefined
  /** Called once when the endpoint has closed. */
  left: (endpoint: Endpoint<EndpointHandle>) => void
}

// A hostile peer can make the room come and go; the loop must have its turn all the same.
const roundsPerTurn = 64

// A worker that is being terminated notices between two of these.
const syncSliceMs = 50

/** What producer and consumer have in common. */
export abstract class Endpoint<Handle extends EndpointHandle> {
  protected readonly ring: RingAccess
  protected readonly capacity: number
  protected readonly mask: number
  /** The whole ring; without bytes when the runtime forbids ArrayBuffers over it. */
  protected readonly memory: ArrayBuffer
  /** The same as words. */
  protected readonly words: Int32Array
  /** The private state, shared with native code (EndpointState). */
  protected readonly local: Int32Array
  protected readonly handle: Handle
  protected readonly sleeper: Sleeper
  /** What the first waiting operation waits for: bytes of room. */
  protected wanted = 0
  readonly #role: 'producer' | 'consumer'
  readonly #queue: WaitQueue
  #bytes: Buffer | undefined
  #view: DataView | undefined
  #isRef = true
  #retry: NodeJS.Immediate | undefined

  protected constructor(
    role: 'producer' | 'consumer',
    ring: RingAccess,
    spin: number | undefined,
    claim: (state: ArrayBuffer, id: number) => Handle,
  ) {
    this.#role = role
    this.ring = ring
    this.capacity = ring.capacity
    this.mask = ring.capacity - 1
    this.memory = ring.buffer ?? new ArrayBuffer(0)
    this.words = new Int32Array(this.memory)
    const state = new ArrayBuffer(stateSize)
    this.local = new Int32Array(state)
    // What cannot be seen from here need not be looked for.
    this.sleeper = new Sleeper(() => this.isReady(), ring.buffer === undefined ? 0 : spin)
    this.#queue = new WaitQueue(() => {
      this.serve()
    })
    const handle = claim(state, this.sleeper.id)
    this.handle = handle
    this.sleeper.attach(handle)
    leaks.register(this, { what: `a ring's ${role}`, release: abandoning(handle) }, this)
  }

  /** Whether this end has been closed or given up. */
  get closed(): boolean {
    return this.local[State.status] === Status.closed
  }

  /**
   * The data area, where the reserved or peeked payload lies at `offset`. Dead after `ring.close()`.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` where the runtime forbids it (Electron).
   */
  get bytes(): Buffer {
    this.requireDirect()
    return (this.#bytes ??= Buffer.from(this.memory, headerSize, this.capacity))
  }

  /** The data area as a DataView; otherwise as `bytes`. */
  get view(): DataView {
    this.requireDirect()
    return (this.#view ??= new DataView(this.memory, headerSize, this.capacity))
  }

  /** Where the reserved or peeked payload begins; a multiple of 8. */
  get offset(): number {
    return (this.local[State.record] & this.mask) + recordHeaderSize
  }

  /** Waits keep the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /** Waits no longer keep the process alive. */
  unref(): this {
    return this.#setRef(false)
  }

  /**
   * Leaves the role to a successor, without ending the stream: to the peer it looks like a death.
   * What was committed is delivered. Idempotent.
   */
  abandon(): void {
    this.leave(() => {
      this.handle.abandon()
    })
  }

  [Symbol.dispose](): void {
    this.close()
  }

  abstract close(): void

  /** A cheap look whether waiting is over. */
  protected abstract isReady(): boolean

  /** The peer has gone; settles what waits for it. */
  protected abstract peerIsGone(status: WaitStatus): void

  protected leave(how: () => void): void {
    if (this.closed) return
    leaks.unregister(this)
    this.sleeper.cancel()
    clearImmediate(this.#retry)
    how()
    this.failWaiting(
      new SluiceError('ERR_SLUICE_CLOSED', `the ${this.#role} was closed during the operation`),
    )
    this.ring.left(this)
  }

  /** Tries now, else in turn with what already waits. */
  protected wait<T>(
    what: string,
    attempt: () => T | typeof notYet,
    options: WaitOptions,
  ): Promise<T> {
    const first = this.#queue.length === 0
    const promise = this.#queue.add(what, attempt, options)
    if (first) this.serve()
    return promise
  }

  protected get hasWaiting(): boolean {
    return this.#queue.length > 0
  }

  protected failWaiting(reason: unknown): void {
    this.#queue.fail(reason)
  }

  /** Settles the operations that can be settled, and waits for the next. */
  protected readonly serve = (): void => {
    clearImmediate(this.#retry)
    for (let round = 0; round < roundsPerTurn; round++) {
      this.#queue.service()
      if (this.#queue.length === 0) {
        this.sleeper.cancel()
        return
      }
      let status: WaitStatus
      try {
        status = this.sleeper.wait(this.wanted, this.serve)
      } catch (error) {
        this.failWaiting(error)
        return
      }
      if (status === WaitStatus.nothingYet) return
      if (status !== WaitStatus.ready) this.peerIsGone(status)
    }
    this.#retry = setImmediate(this.serve)
  }

  /** Blocks the thread, in slices, until there is something or the time is up. */
  protected waitSyncFor(wanted: () => number, timeout: number): WaitStatus {
    const deadline = performance.now() + timeout
    for (;;) {
      const left = deadline - performance.now()
      const slice = Math.max(0, Math.ceil(Math.min(left, syncSliceMs)))
      const status = this.handle.waitSync(wanted(), slice)
      if (status !== WaitStatus.nothingYet || left <= 0) return status
    }
  }

  protected requireUsable(): void {
    switch (this.local[State.status]) {
      case Status.closed:
        throw new SluiceError('ERR_SLUICE_CLOSED', `the ${this.#role} is closed`)
      case Status.corrupt:
        throw new SluiceError(
          'ERR_SLUICE_CORRUPT',
          'the ring is corrupt; this end of it can only be closed',
        )
    }
  }

  protected requireDirect(): void {
    if (this.words.length === 0) {
      if (this.closed) this.requireUsable() // detached by the ring's close
      throw new SluiceError(
        'ERR_SLUICE_UNSUPPORTED',
        'this runtime forbids ArrayBuffers over shared memory; use the copying calls',
      )
    }
  }

  protected failCorrupt(reason: string): never {
    this.local[State.status] = Status.corrupt
    throw new SluiceError(
      'ERR_SLUICE_CORRUPT',
      `the ring's memory is corrupt, as the ${this.#role} sees it: ${reason}`,
    )
  }

  protected peerError(status: WaitStatus): SluiceError {
    const peer = this.#role === 'producer' ? 'consumer' : 'producer'
    const { pid } = this.ring.handle.stats()[peer]
    const code: SluiceErrorCode =
      status === WaitStatus.peerDied ? 'ERR_SLUICE_PEER_DIED' : 'ERR_SLUICE_PEER_CLOSED'
    const fate = status === WaitStatus.peerDied ? 'is gone without having closed' : 'has closed'
    return new SluiceError(code, `the ring's ${peer}, process ${String(pid)}, ${fate}`, { pid })
  }

  #setRef(ref: boolean): this {
    if (this.#isRef === ref) return this
    this.#isRef = ref
    this.sleeper.ref = ref
    this.#queue.ref = ref
    // What is asleep went to sleep the other way.
    if (this.hasWaiting) this.serve()
    return this
  }
}

// Made out here: all functions made in the constructor hold on to its `this`.
function abandoning(handle: EndpointHandle): () => void {
  return () => {
    handle.abandon()
  }
}
