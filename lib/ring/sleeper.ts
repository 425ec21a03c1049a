import type { Listener } from '../core/listeners.js'
import { wakeups } from '../core/native.js'
import { WaitStatus, type EndpointHandle } from './native.js'
import { Polling, sliceMs } from './polling.js'

/** An endpoint's way to wait for its peer without blocking: it looks for a while, then sleeps. */
export class Sleeper implements Listener {
  readonly id = wakeups.newId()
  readonly #isReady: () => boolean
  #polling: Polling
  #handle: EndpointHandle | undefined
  #immediate: NodeJS.Immediate | undefined
  #asleep = false
  #wake: (() => void) | undefined
  #ref = true
  /** This sleep keeps the process alive. */
  #keepsAlive = false
  #lookedInVain = false

  /** `isReady` looks at shared memory, cheaply; it may also say true for what turns out nothing. */
  constructor(isReady: () => boolean, spin: number | undefined) {
    this.#isReady = isReady
    this.#polling = new Polling(isReady, spin)
  }

  attach(handle: EndpointHandle): void {
    this.#handle = handle
  }

  /** Whether a wait is under way, by looking or asleep. */
  get waiting(): boolean {
    return this.#asleep || this.#immediate !== undefined
  }

  set spin(spin: number | undefined) {
    this.#polling = new Polling(this.#isReady, spin)
  }

  set ref(ref: boolean) {
    this.#ref = ref
    if (this.#asleep) this.#keepAlive(ref)
  }

  /**
   * Waits for `wanted` (bytes of room; 0 for the consumer). Returns what there is at once, or
   * `nothingYet`; then it calls `wake` later, once, unless it is cancelled.
   */
  wait(wanted: number, wake: () => void): WaitStatus {
    this.cancel()
    // Who was just woken by what looking cannot find (the peer's end) must not look for it again.
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
    if (this.#asleep) {
      this.#awake()
      this.#handle?.unpark()
    }
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
    if (this.#handle === undefined) return WaitStatus.peerClosed
    const status = this.#handle.park(wanted)
    if (status !== WaitStatus.nothingYet) return status
    this.#asleep = true
    this.#wake = wake
    this.#polling.goesToSleep()
    wakeups.listen(this.id, this)
    this.#keepAlive(this.#ref)
    return status
  }

  /** @internal */
  notify(): void {
    const wake = this.#wake
    this.#awake()
    this.#polling.wokeUp()
    wake?.()
  }

  #awake(): void {
    this.#asleep = false
    this.#wake = undefined
    wakeups.forget(this.id)
    this.#keepAlive(false)
  }

  #keepAlive(keepsAlive: boolean): void {
    if (keepsAlive === this.#keepsAlive) return
    this.#keepsAlive = keepsAlive
    if (keepsAlive) wakeups.keepAlive()
    else wakeups.letGo()
  }
}
