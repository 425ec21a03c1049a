import { checkStillThere } from '../core/arguments.js'
import { SluiceError, systemError } from '../core/errors.js'
import { RetryTimer, shortBackoff } from '../core/retry.js'
import type { OutgoingDescriptors, SocketHandle } from './native.js'
import { type WaitOptions } from '../core/wait_options.js'
import { soon } from '../core/turn.js'
import { notYet, WaitQueue } from '../core/wait_queue.js'
import { again, messageTooLong, refused } from './errno.js'
import { duplicateAll } from './descriptor_cargo.js'

export interface SenderEvents {
  /**
   * Has `service` called when the socket can take more, or throws when the system refuses to tell
   * that; undefined when nothing tells it.
   */
  watch: (() => void) | undefined
  /** Nothing waits any more. */
  idle: () => void
  ref: boolean
}

/** The messages to one address, in order. */
export class DatagramSender {
  readonly #handle: SocketHandle
  readonly #to: string | undefined
  readonly #events: SenderEvents
  readonly #queue: WaitQueue
  readonly #retry: RetryTimer

  constructor(handle: SocketHandle, to: string | undefined, events: SenderEvents) {
    this.#handle = handle
    this.#to = to
    this.#events = events
    this.#queue = new WaitQueue(this.service)
    this.#queue.ref = events.ref
    this.#retry = new RetryTimer(this.service, shortBackoff, events.ref)
  }

  set ref(ref: boolean) {
    this.#queue.ref = ref
    this.#retry.ref = ref
  }

  async send(bytes: Uint8Array, numbers: readonly number[], options: WaitOptions): Promise<void> {
    const descriptors = duplicateAll(numbers)
    const length = bytes.byteLength
    const first = this.#queue.length === 0
    try {
      const attempt = () => {
        checkStillThere(bytes, length)
        return this.#attempt(bytes, descriptors)
      }
      const sent = this.#queue.add('send', attempt, options)
      if (first) soon(this.service)
      await sent
    } finally {
      descriptors?.close()
    }
  }

  readonly service = (): void => {
    this.#retry.stop()
    const before = this.#queue.length
    this.#queue.service()
    const left = this.#queue.length
    if (left === 0) {
      this.#events.idle()
      return
    }
    if (this.#events.watch !== undefined) {
      try {
        this.#events.watch()
      } catch (error) {
        this.#queue.fail(error)
        this.#events.idle()
      }
      return
    }
    if (left < before) this.#retry.reset()
    this.#retry.start()
  }

  fail(reason: unknown): void {
    this.#retry.stop()
    this.#queue.fail(reason)
  }

  #attempt(
    bytes: Uint8Array,
    descriptors: OutgoingDescriptors | undefined,
  ): undefined | typeof notYet {
    let result = this.#handle.send(bytes, 0, descriptors, this.#to)
    // Node up to version 20 pads abstract names, and so may others.
    if (result === refused && this.#to?.startsWith('@') === true) {
      result = this.#handle.send(bytes, 0, descriptors, this.#to, true)
    }
    if (result === again) return notYet
    if (result >= 0) return undefined
    const target = this.#to === undefined ? '' : ` to '${this.#to}'`
    const error = systemError(`cannot send the datagram${target}`, 'sendmsg', result, {
      address: this.#to,
    })
    if (result !== messageTooLong) throw error
    throw new SluiceError(
      'ERR_SLUICE_MESSAGE_TOO_LONG',
      `a datagram of ${String(bytes.byteLength)} bytes is longer than the socket's buffer takes ` +
        '(options.sendBufferSize)',
      { address: this.#to, cause: error },
    )
  }
}
