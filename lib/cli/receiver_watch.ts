import type { Ring } from '../index.js'
import { CommandFailure } from './failure.js'
import { shown } from './session.js'

const watchMs = 100

/** Notices for a sender that its receiver has gone, also while there is nothing to send. */
export class ReceiverWatch {
  readonly #ring: Ring
  readonly #timer: NodeJS.Timeout
  #seen: boolean

  /** `gone` is called once, when a receiver that had come is no longer there. */
  constructor(ring: Ring, gone: (failure: CommandFailure) => void) {
    this.#ring = ring
    this.#seen = ring.stats().consumer.alive
    this.#timer = setInterval(() => {
      this.#seen ||= ring.stats().consumer.alive
      if (!this.isGone()) return
      this.stop()
      gone(this.failure())
    }, watchMs).unref()
  }

  get seen(): boolean {
    return this.#seen
  }

  isGone(): boolean {
    return this.#seen && !this.#ring.stats().consumer.alive
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
