import { wakeups } from './native.js'

/** The call that ends a sleep, and whether the sleep keeps the process alive until then. */
export class PendingWake {
  #wake: (() => void) | undefined
  #keepsAlive = false

  /** Whether somebody sleeps. */
  get isPending(): boolean {
    return this.#wake !== undefined
  }

  begin(wake: () => void, ref: boolean): void {
    this.#wake = wake
    this.#keepAlive(ref)
  }

  set ref(ref: boolean) {
    if (this.isPending) this.#keepAlive(ref)
  }

  /** The sleep is over. Returns the call, for whoever ends it by a wake-up. */
  end(): (() => void) | undefined {
    const wake = this.#wake
    this.#wake = undefined
    this.#keepAlive(false)
    return wake
  }

  #keepAlive(keepsAlive: boolean): void {
    if (keepsAlive === this.#keepsAlive) return
    this.#keepsAlive = keepsAlive
    if (keepsAlive) wakeups.keepAlive()
    else wakeups.letGo()
  }
}
