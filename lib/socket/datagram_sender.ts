import { SluiceError, systemError } from '../core/errors.js'
import type { OutgoingDescriptors, SocketHandle } from './native.js'
import { notYet, WaitQueue, type WaitOptions } from '../core/waiting.js'
import { again, messageTooLong, refused } from './errno.js'
import { duplicateAll } from './outgoing_descriptors.js'

export interface SenderEvents {
  /** Has `service` called when the socket can take more; undefined when nothing tells that. */
  watch: (() => void) | undefined
  /** Nothing waits any more. */
  idle: () => void
  ref: boolean
}

const shortestPauseMs = 1
const longestPauseMs = 32

/** The messages to one address, in order. */
export class DatagramSender {
  readonly #handle: SocketHandle
  readonly #to: string | undefined
  readonly #events: SenderEvents
  readonly #queue: WaitQueue
  #pause = shortestPauseMs
  #timer: NodeJS.Timeout | undefined
  #ref: boolean

  constructor(handle: SocketHandle, to: string | undefined, events: SenderEvents) {
    this.#handle = handle
    this.#to = to
    this.#events = events
    this.#ref = events.ref
    this.#queue = new WaitQueue(() => {
      this.service()
    })
    this.#queue.ref = events.ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
    this.#queue.ref = ref
    if (ref) this.#timer?.ref()
    else this.#timer?.unref()
  }

  async send(bytes: Uint8Array, numbers: readonly number[], options: WaitOptions): Promise<void> {
    const descriptors = duplicateAll(numbers)
    const first = this.#queue.length === 0
    try {
      const sent = this.#queue.add('send', () => this.#attempt(bytes, descriptors), options)
      if (first) this.service()
      await sent
    } finally {
      descriptors?.close()
    }
  }

  service(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const before = this.#queue.length
    this.#queue.service()
    const left = this.#queue.length
    if (left === 0) {
      this.#events.idle()
      return
    }
    if (this.#events.watch !== undefined) {
      this.#events.watch()
      return
    }
    this.#pause = left < before ? shortestPauseMs : Math.min(this.#pause * 2, longestPauseMs)
    this.#timer = setTimeout(() => {
      this.service()
    }, this.#pause)
    if (!this.#ref) this.#timer.unref()
  }

  fail(reason: unknown): void {
    clearTimeout(this.#timer)
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
    if (result === messageTooLong) {
      throw new SluiceError(
        'ERR_SLUICE_MESSAGE_TOO_LONG',
        `a datagram of ${String(bytes.byteLength)} bytes is longer than the socket's buffer takes ` +
          '(options.sendBufferSize)',
        { syscall: 'sendmsg', errno: result, address: this.#to },
      )
    }
    if (result < 0) {
      const target = this.#to === undefined ? '' : ` to '${this.#to}'`
      throw systemError(`cannot send the datagram${target}`, 'sendmsg', result, {
        address: this.#to,
      })
    }
    return undefined
  }
}
