import { wakeups } from './native.js'

/** Whether one wait keeps the process alive. */
export class KeepAlive {
  #on = false

  set(on: boolean): void {
    if (on === this.#on) return
    this.#on = on
    if (on) wakeups.keepAlive()
    else wakeups.letGo()
  }
}
