import { offAbort, onAbort } from '../core/operation.js'
import { WaitStatus } from './native.js'
import type { Sleeper } from './sleeper.js'

/** Called by {@link Consumer.consume} with each message; `false` stops after it. It must not be async. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most handlers return nothing
export type MessageHandler = (message: Buffer, type: number) => void | boolean

/** The options of {@link Consumer.consume}. */
export interface ConsumeOptions {
  /** Rejects with the signal's reason when it aborts; default none. */
  signal?: AbortSignal | undefined
  /**
   * Microseconds to go on looking for messages before sleeping. 0: never look. By default up to
   * 50, and only while messages have been coming that fast.
   */
  spin?: number | undefined
  /** Messages after which timers and I/O have their turn; default 1024, and after 1 ms anyway. */
  burst?: number | undefined
}

/** Handler time after which the event loop has its turn, in milliseconds. */
const turnMs = 1
const largestBatch = 256

/** Handles at most `limit` messages; asks after each whether it is to stop. */
type Drain = (limit: number, wasStopped: () => boolean) => { count: number; stopped: boolean }

/** Handles messages as they come, from the event loop, and lets the loop turn. */
export class ConsumeLoop {
  readonly #sleeper: Sleeper
  readonly #drain: Drain
  readonly #peerIsGone: (status: WaitStatus) => void
  readonly #burst: number
  #count = 0
  #batch = 1
  #immediate: NodeJS.Immediate | undefined
  #resolve: (count: number) => void = () => undefined
  #reject: (reason: unknown) => void = () => undefined
  #running = false

  /** `peerIsGone` throws what the loop shall reject with, or returns at the end of the stream. */
  constructor(
    sleeper: Sleeper,
    drain: Drain,
    peerIsGone: (status: WaitStatus) => void,
    burst: number,
  ) {
    this.#sleeper = sleeper
    this.#drain = drain
    this.#peerIsGone = peerIsGone
    this.#burst = burst
  }

  run(signal: AbortSignal | undefined): Promise<number> {
    this.#running = true
    if (signal !== undefined) onAbort(signal, this)
    return new Promise<number>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#turn()
    }).finally(() => {
      if (signal !== undefined) offAbort(signal, this)
    })
  }

  /** The signal's call. */
  cancel(reason: unknown): void {
    this.fail(reason)
  }

  fail(reason: unknown): void {
    if (!this.#running) return
    this.#stop()
    this.#reject(reason)
  }

  #stop(): void {
    this.#running = false
    clearImmediate(this.#immediate)
    this.#sleeper.cancel()
  }

  readonly #turn = (): void => {
    try {
      if (this.#handle()) {
        this.#stop()
        this.#resolve(this.#count)
      }
    } catch (error) {
      this.fail(error)
    }
  }

  /** One turn; true when it was the last. */
  #handle(): boolean {
    const end = performance.now() + turnMs
    let left = this.#burst
    while (this.#running) {
      const limit = Math.min(this.#batch, left)
      const { count, stopped } = this.#drain(limit, this.#wasStopped)
      this.#count += count
      left -= count
      if (stopped) return true
      if (this.#wasStopped()) return false
      if (count < limit) {
        const status = this.#sleeper.wait(0, this.#turn)
        if (status === WaitStatus.nothingYet) return false
        if (status !== WaitStatus.ready) {
          this.#peerIsGone(status)
          return true
        }
      }
      // The clock is looked at after ever larger batches while the handler is fast.
      const now = performance.now()
      if (left === 0 || now >= end) {
        this.#batch = Math.max(1, this.#batch >> 2)
        this.#immediate = setImmediate(this.#turn)
        return false
      }
      if (count === limit && end - now > turnMs / 2) {
        this.#batch = Math.min(this.#batch * 2, largestBatch)
      }
    }
    return false
  }

  // The handler may have closed the consumer or aborted the signal.
  readonly #wasStopped = (): boolean => !this.#running
}
