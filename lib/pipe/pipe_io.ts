import { PipeEvent, pipeListeners } from './native.js'
import type { NativeIdentity, PipeHandle } from './native.js'
import { Outcome } from './win32_errors.js'

type Completion = (code: number) => void

/**
 * The operations on one end of a pipe: at most one of each kind at a time. Each returns its outcome,
 * or `Outcome.pending`; then the callback has it later.
 */
export class PipeIo {
  readonly handle: PipeHandle
  readonly #id: number
  readonly #waiting = new Map<number, Completion>()
  readonly #onClosed: (() => void)[] = []
  #open = true
  #closed = false
  #ref = false

  constructor(handle: PipeHandle) {
    this.handle = handle
    this.#id = handle.id()
    this.ref = true
  }

  /** Whether it keeps the process alive while it is open; until it has closed it always does. */
  set ref(ref: boolean) {
    if (ref === this.#ref || !this.#open) return
    this.#ref = ref
    if (ref) pipeListeners.keepAlive()
    else pipeListeners.letGo()
  }

  get ref(): boolean {
    return this.#ref
  }

  connect(completion: Completion): number {
    return this.#started(PipeEvent.connected, this.handle.connect(), completion)
  }

  read(length: number, completion: Completion): number {
    return this.#started(PipeEvent.read, this.handle.read(length), completion)
  }

  /** The bytes are copied before this returns. */
  write(bytes: Uint8Array, completion: Completion): number {
    return this.#started(PipeEvent.written, this.handle.write(bytes), completion)
  }

  identify(completion: Completion): void {
    this.handle.identify()
    this.#started(PipeEvent.identified, Outcome.pending, completion)
  }

  get identity(): NativeIdentity | undefined {
    return this.handle.identity()
  }

  /** The operation then ends with `Outcome.aborted`, unless it had ended already. */
  cancel(event: typeof PipeEvent.read | typeof PipeEvent.written): void {
    if (this.#waiting.has(event)) this.handle.cancel(event)
  }

  /** No callback is called any more but this one, when nothing is pending. */
  close(completion: () => void): void {
    if (this.#closed) {
      process.nextTick(completion)
      return
    }
    this.#onClosed.push(completion)
    if (!this.#open) return
    this.ref = true // somebody may wait for the close, which comes in a later turn
    this.#open = false
    this.#waiting.clear()
    const closed = () => {
      this.#ref = false
      pipeListeners.letGo()
      this.#closed = true
      pipeListeners.forget(this.#id)
      for (const call of this.#onClosed.splice(0)) call()
    }
    if (this.handle.close()) process.nextTick(closed)
    else this.#started(PipeEvent.closed, Outcome.pending, closed)
  }

  /** For an owner that was forgotten. */
  abandon(): void {
    this.close(() => undefined)
  }

  #started(event: number, outcome: number, completion: Completion): number {
    if (outcome !== Outcome.pending) return outcome
    if (this.#waiting.size === 0) pipeListeners.listen(this.#id, this)
    this.#waiting.set(event, completion)
    return outcome
  }

  /** @internal */
  notify(event: number, code: number): void {
    const completion = this.#waiting.get(event)
    if (completion === undefined) return // of something that was closed meanwhile
    this.#waiting.delete(event)
    if (this.#waiting.size === 0) pipeListeners.forget(this.#id)
    completion(code)
  }
}
