import { WaitStatus } from './native.js'
import type { Doorbell } from './doorbell.js'
import { Polling, sliceMs } from './polling.js'

/** An endpoint's way to wait for its peer without blocking: it looks for a while, then sleeps. */
export class Sleeper {
  readonly #doorbell: Doorbell
  readonly #isReady: () => boolean
  #polling: Polling
  #immediate: NodeJS.Immediate | undefined
  #ref = true
  #lookedInVain = false

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
   */
  wait(wanted: number, wake: () => void): WaitStatus {
    this.cancel()
    // Going to sleep makes every other processor pass a barrier: not for what is there already.
    if (this.#isReady()) return WaitStatus.ready
    // Polling cannot find the end of the peer: a sleeper that was just woken by it must not poll
    // again.
    const budget = this.#lookedInVain ? 0 : this.#polling.budget()
    this.#lookedInVain = false
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
    if (this.#immediate !== undefined) {
      clearImmediate(this.#immediate)
      this.#immediate = undefined
    }
    this.#doorbell.awake()
  }

  // Between two slices the loop has its turn.
  #lookAgainLater(wanted: number, budget: number, wake: () => void): void {
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined
      if (this.#polling.look(budget)) {
        wake()
      } else if (budget > sliceMs) {
        this.#lookAgainLater(wanted, budget - sliceMs, wake)
      } else {
        this.#polling.failed()
        if (this.#sleep(wanted, wake) === WaitStatus.nothingYet) return
        this.#lookedInVain = true
        wake()
      }
    })
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
