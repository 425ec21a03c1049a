import type { Ring } from '../index.js'
import { CommandFailure } from './failure.js'
import { shown } from './session.js'

const watchMs = 100

/** Notices for a sender that its receiver has gone, also while there is nothing to send. */
export class ReceiverWatch {
  readonly #ring: Ring
  readonly #timer: NodeJS.Timeout
  readonly #readBefore: number
  #seen = false

  /** Made before anything is sent. `gone` is called once, when a receiver that had come is no longer there. */
  constructor(ring: Ring, gone: (failure: CommandFailure) => void) {
    this.#ring = ring
    this.#readBefore = ring.stats().consumer.messages
    this.#seen = ring.stats().consumer.alive
    this.#timer = setInterval(() => {
      if (!this.isGone()) return
      this.stop()
      gone(this.failure())
    }, watchMs).unref()
  }

  /** The receiver of an earlier transfer, which closes without having read of this one, is not ours. */
  isGone(): boolean {
    const { alive, state, messages } = this.#ring.stats().consumer
    this.#seen ||= alive
    if (alive || !this.#seen) return false
    if (state === 'open' || messages !== this.#readBefore) return true
    this.#seen = false
    return false
  }

  failure(): CommandFailure {
    const { pid, state } = this.#ring.stats().consumer
    const fate = state === 'closed' ? 'has closed' : 'died or was stopped'
    return new CommandFailure(
      `the receiver of ${shown(this.#ring)}, process ${String(pid)}, ${fate} before it had everything`,
    )
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
