import { whenDrained } from '../core/turn.js'
import { WaitStatus } from './native.js'
import type { Doorbell } from './doorbell.js'
import { Polling, sliceMs } from './polling.js'

/** An endpoint's way to wait for its peer without blocking: it looks for a while, then sleeps. */
export class Sleeper {
  readonly #doorbell: Doorbell
  readonly #isReady: () => boolean
  #polling: Polling
  /** Takes a look back that is to come; undefined: there is none. */
  #cancelLook: (() => void) | undefined
  #ref = true
  #lookedInVain = false
  /** Why it could not sleep, although `nothingYet` was said before; the next wait throws it. */
  #failure: { readonly reason: unknown } | undefined

  /** `isReady` looks at shared memory, cheaply; it may also say true for what turns out nothing. */
  constructor(doorbell: Doorbell, isReady: () => boolean, spin: number | undefined) {
    this.#doorbell = doorbell
    this.#isReady = isReady
    this.#polling = new Polling(isReady, spin)
  }

  set spin(spin: number | undefined) {
    this.#polling = new Polling(this.#isReady, spin)
  }

  set ref(ref: boolean) {
    this.#ref = ref
    this.#doorbell.setRef(ref)
  }

  /**
   * Waits for `wanted` (bytes of room; 0 for the consumer). Returns what there is at once, or
   * `nothingYet`; then it calls `wake` later, once, unless it is cancelled.
   *
   * `afterWork`: the caller has just handed out something. The answer may lie in a queue that is
   * emptied when the caller returns, so it looks then and not at once.
   *
   * @throws when the system has no thread to sleep with; nothing is left of the sleep.
   */
  wait(wanted: number, wake: () => void, afterWork = false): WaitStatus {
    const failure = this.#failure
    this.cancel()
    // Going to sleep makes every other processor pass a barrier: not for what is there already.
    if (this.#isReady()) return WaitStatus.ready
    if (failure !== undefined) throw failure.reason
    // Polling cannot find the end of the peer: a sleeper that was just woken by it must not poll
    // again.
    const budget = this.#lookedInVain ? 0 : this.#polling.budget()
    this.#lookedInVain = false
    if (budget > 0 && afterWork && this.#ref) {
      this.#cancelLook = whenDrained(() => {
        this.#lookForWaker(wanted, budget, wake)
      })
      return WaitStatus.nothingYet
    }
    if (budget > 0) {
      if (this.#polling.look(budget)) return WaitStatus.ready
      // An immediate that does not keep the loop alive may not run while the loop sleeps.
      if (budget > sliceMs && this.#ref) {
        this.#lookAgainLater(wanted, budget - sliceMs, wake)
        return WaitStatus.nothingYet
      }
      this.#polling.failed()
    }
    return this.#sleep(wanted, wake)
  }

  cancel(): void {
    this.#cancelLook?.()
    this.#cancelLook = undefined
    this.#failure = undefined
    this.#doorbell.awake()
  }

  // Between two slices the loop has its turn.
  #lookAgainLater(wanted: number, budget: number, wake: () => void): void {
    const immediate = setImmediate(() => {
      this.#lookForWaker(wanted, budget, wake)
    })
    this.#cancelLook = () => {
      clearImmediate(immediate)
    }
  }

  #lookForWaker(wanted: number, budget: number, wake: () => void): void {
    this.#cancelLook = undefined
    try {
      if (!this.#lookAgain(wanted, budget, wake)) return
    } catch (reason) {
      // Nobody called: it is told to those who wait when they come round.
      this.#failure = { reason }
    }
    wake()
  }

  /** Whether the wait is over. */
  #lookAgain(wanted: number, budget: number, wake: () => void): boolean {
    if (this.#polling.look(budget)) return true
    if (budget > sliceMs) {
      this.#lookAgainLater(wanted, budget - sliceMs, wake)
      return false
    }
    this.#polling.failed()
    if (this.#sleep(wanted, wake) === WaitStatus.nothingYet) return false
    this.#lookedInVain = true
    return true
  }

  #sleep(wanted: number, wake: () => void): WaitStatus {
    const awoken = () => {
      this.#polling.wokeUp()
      wake()
    }
    const status = this.#doorbell.sleep(wanted, awoken, this.#ref)
    if (status === WaitStatus.nothingYet) this.#polling.goesToSleep()
    return status
  }
}
