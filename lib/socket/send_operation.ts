import type { OutgoingDescriptors } from '../core/native_sockets.js'
import { timedOut, type WaitOptions } from '../core/waiting.js'
import type { Message } from './outgoing.js'

/** A `send` that is under way, as a promise that can be cancelled. */
export class SendOperation implements Message {
  readonly descriptors: OutgoingDescriptors | undefined
  readonly promise: Promise<void>
  started = false
  cancelled = false
  readonly #release: () => void
  #resolve: () => void = () => undefined
  #reject: (reason: unknown) => void = () => undefined

  /** `cancel` is called when the signal or the time says so; `settled` at every end. */
  constructor(
    descriptors: OutgoingDescriptors | undefined,
    { signal, timeout }: WaitOptions,
    cancel: (reason: unknown) => void,
    settled: () => void,
  ) {
    this.descriptors = descriptors
    this.promise = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    let timer: NodeJS.Timeout | undefined
    if (timeout !== undefined && timeout < 2 ** 31) {
      timer = setTimeout(() => {
        cancel(timedOut('send', timeout))
      }, timeout)
    }
    const abort = () => {
      cancel(signal?.reason)
    }
    signal?.addEventListener('abort', abort)
    this.#release = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      descriptors?.close()
      settled()
    }
  }

  sent(): void {
    this.#release()
    this.#resolve()
  }

  refused(error: Error): void {
    this.fail(error)
  }

  fail(reason: unknown): void {
    this.#release()
    this.#reject(reason)
  }
}
