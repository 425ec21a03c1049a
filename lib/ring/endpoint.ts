import { SluiceError, type SluiceErrorCode } from '../core/errors.js'
import { leaks } from '../core/leak_guard.js'
import { WaitStatus } from './native.js'
import { mayGoOn } from '../core/turn.js'
import { type WaitOptions } from '../core/wait_options.js'
import { WaitQueue, type notYet } from '../core/wait_queue.js'
import type { Doorbell } from './doorbell.js'
import { needsViews, requireUsable, State, Status, type Role } from './endpoint_state.js'
import { headerSize, recordHeaderSize } from './layout.js'
import type { Life } from './life.js'
import { Sleeper } from './sleeper.js'

/** The parts that an endpoint works with; they are claimed, and made, elsewhere. */
export interface EndpointParts {
  capacity: number
  /** The whole ring; undefined where the runtime forbids ArrayBuffers over foreign memory. */
  memory: ArrayBuffer | undefined
  /** The private state; see endpoint_state.ts. */
  state: Int32Array
  doorbell: Doorbell
  life: Life
  /** Called once when the endpoint has closed. */
  left: (endpoint: Endpoint) => void
}

// A hostile peer can make the room come and go; the loop must have its turn all the same.
const roundsPerTurn = 64

/** Milliseconds of one blocking call: between two of them a worker that is terminated can end. */
export const syncSliceMs = 50

/** The common half of producer and consumer. */
export abstract class Endpoint {
  /** @internal */
  protected readonly capacity: number
  /** @internal */
  protected readonly state: Int32Array
  /** @internal */
  protected readonly sleeper: Sleeper
  /** @internal Bytes of room that the first waiting operation waits for. */
  protected wanted = 0
  readonly #role: Role
  readonly #parts: EndpointParts
  readonly #queue: WaitQueue
  #bytes: Buffer | undefined
  #view: DataView | undefined
  #isRef = true
  #nextTurn: NodeJS.Immediate | undefined
  #unseenFailure: SluiceError | undefined

  /** @internal */
  protected constructor(role: Role, parts: EndpointParts, spin: number | undefined) {
    this.#role = role
    this.#parts = parts
    this.capacity = parts.capacity
    this.state = parts.state
    this.sleeper = new Sleeper(
      parts.doorbell,
      () => this.isReady(),
      parts.memory === undefined ? 0 : spin, // nothing can be seen from here
    )
    this.#queue = new WaitQueue(() => {
      this.serve()
    })
    leaks.register(this, { what: `a ring's ${role}`, release: abandoning(parts.life) }, this)
  }

  /** Whether this end has been closed or given up. */
  get closed(): boolean {
    return this.state[State.status] === Status.closed
  }

  /**
   * The data area, where the reserved or peeked payload lies at `offset`. Dead after `ring.close()`.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` where the runtime forbids it (Electron), `ERR_SLUICE_CLOSED`.
   */
  get bytes(): Buffer {
    // Without bytes when the ring was closed.
    if (this.#bytes === undefined || this.#bytes.length === 0) {
      this.#bytes = Buffer.from(this.#mapped(), headerSize, this.capacity)
    }
    return this.#bytes
  }

  /** The data area as a DataView; otherwise as `bytes`. */
  get view(): DataView {
    if (this.#view === undefined || this.state[State.status] !== 0) {
      this.#view = new DataView(this.#mapped(), headerSize, this.capacity)
    }
    return this.#view
  }

  /** The byte at which the reserved or peeked payload begins; a multiple of 8. */
  get offset(): number {
    return (this.state[State.record] & (this.capacity - 1)) + recordHeaderSize
  }

  /** Waits keep the process alive again. */
  ref(): this {
    return this.#setRef(true)
  }

  /** Waits no longer keep the process alive. */
  unref(): this {
    return this.#setRef(false)
  }

  /** Gives the role up for good. Idempotent. */
  close(): void {
    this.#leave(() => {
      this.#parts.life.close()
    })
  }

  /**
   * Leaves the role to a successor, without ending the stream: to the peer it looks like a death.
   * Committed messages are delivered. Idempotent.
   *
   * @example
   * ```ts
   * const ring = Ring.anonymous()
   * const producer = ring.producer().unref() // its waits do not keep the process alive
   * producer.tryWrite(Buffer.from('hello'))
   * producer.abandon()
   * const successor = ring.producer().ref() // goes on with the same stream
   * successor.close()
   * ring.close()
   * ```
   */
  abandon(): void {
    this.#leave(() => {
      this.#parts.life.abandon()
    })
  }

  /** Closes this end at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * The way to wait of an end that a channel reads by itself.
   *
   * @internal
   */
  static sleeperOf(endpoint: Endpoint): Sleeper {
    return endpoint.sleeper
  }

  /**
   * The whole ring; undefined where the runtime forbids views of it.
   *
   * @internal
   */
  static memoryOf(endpoint: Endpoint): ArrayBuffer | undefined {
    return endpoint.#parts.memory
  }

  /** @internal A cheap look whether waiting is over. */
  protected abstract isReady(): boolean

  /** @internal The peer has gone; settles what waits for it. */
  protected abstract peerIsGone(status: WaitStatus): void

  /** @internal The endpoint has closed. */
  protected left(): void {
    this.#queue.fail(
      new SluiceError('ERR_SLUICE_CLOSED', `the ${this.#role} was closed during the operation`),
    )
  }

  /** @internal Tries now, else in turn with what already waits. */
  protected wait<T>(
    what: string,
    attempt: () => T | typeof notYet,
    options: WaitOptions,
  ): Promise<T> {
    const first = this.#queue.length === 0
    const promise = this.#queue.add(what, attempt, options)
    if (first) {
      // A peer that is always faster would keep the loop from its timers for ever.
      if (mayGoOn()) this.serve()
      else this.#serveNextTurn()
    }
    return promise
  }

  /** @internal */
  protected get hasWaiting(): boolean {
    return this.#queue.length > 0
  }

  /**
   * The error that the waiting operations have failed with, until their callers could see it: an
   * operation that is called in the meantime counts on theirs, and fails as well.
   *
   * @internal
   */
  protected get unseenFailure(): SluiceError | undefined {
    return this.#unseenFailure
  }

  /** @internal */
  protected failWaiting(reason: SluiceError): void {
    // A microtask that is queued here runs before those of the promises that are rejected below.
    this.#unseenFailure = reason
    queueMicrotask(() => {
      this.#unseenFailure = undefined
    })
    this.#queue.fail(reason)
  }

  /** @internal Settles the operations that can be settled, and waits for the next. */
  protected readonly serve = (): void => {
    clearImmediate(this.#nextTurn)
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
        this.#queue.fail(error)
        return
      }
      if (status === WaitStatus.nothingYet) return
      if (status !== WaitStatus.ready) this.peerIsGone(status)
    }
    this.#serveNextTurn()
  }

  /** @internal Blocks the thread, in slices, until there is something or the time is up. */
  protected waitSyncFor(wanted: () => number, timeout: number): WaitStatus {
    const deadline = performance.now() + timeout
    for (;;) {
      const left = deadline - performance.now()
      const slice = Math.max(0, Math.ceil(Math.min(left, syncSliceMs)))
      const status = this.#parts.doorbell.sleepSync(wanted(), slice)
      if (status !== WaitStatus.nothingYet || left <= 0) return status
    }
  }

  /** @internal */
  protected requireUsable(): void {
    requireUsable(this.state, this.#role)
  }

  /** @internal */
  protected get life(): Life {
    return this.#parts.life
  }

  /** @internal */
  protected peerError(status: WaitStatus): SluiceError {
    const peer = this.#role === 'producer' ? 'consumer' : 'producer'
    const pid = this.#parts.life.peerPid()
    const code: SluiceErrorCode =
      status === WaitStatus.peerDied ? 'ERR_SLUICE_PEER_DIED' : 'ERR_SLUICE_PEER_CLOSED'
    const fate = status === WaitStatus.peerDied ? 'is gone without having closed' : 'has closed'
    return new SluiceError(code, `the ring's ${peer}, process ${String(pid)}, ${fate}`, { pid })
  }

  #leave(how: () => void): void {
    if (this.closed) return
    leaks.unregister(this)
    this.sleeper.cancel()
    clearImmediate(this.#nextTurn)
    how()
    this.#parts.doorbell.leave()
    this.left()
    this.#parts.left(this)
  }

  #serveNextTurn(): void {
    clearImmediate(this.#nextTurn)
    this.#nextTurn = setImmediate(this.serve)
  }

  #mapped(): ArrayBuffer {
    const { memory } = this.#parts
    if (memory !== undefined && memory.byteLength > 0) return memory
    if (this.closed) this.requireUsable() // detached by the ring's close
    throw needsViews()
  }

  #setRef(ref: boolean): this {
    if (this.#isRef === ref) return this
    this.#isRef = ref
    this.sleeper.ref = ref
    this.#queue.ref = ref
    // Restart the wait: it was parked with the old ref setting.
    if (this.hasWaiting) this.serve()
    return this
  }
}

// Made out here: all functions made in the constructor hold on to its `this`.
function abandoning(life: Life): () => void {
  return () => {
    life.abandon()
  }
}
