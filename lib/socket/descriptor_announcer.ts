import type { Readable } from 'node:stream'

import type { ReceivedMessage } from './incoming.js'

/**
 * Gives descriptors that come while a stream is read to its listeners of `'fds'`, just before the
 * chunk that they came with: as long as something is left in the stream's buffer, the chunk is held.
 */
export class DescriptorAnnouncer {
  readonly #stream: Readable
  #held: ReceivedMessage | undefined

  constructor(stream: Readable) {
    this.#stream = stream
  }

  /** Nothing may be read then: it would overtake what is held. */
  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Whether the stream wants more. `hungry`: its reader has asked for more than is left. */
  take(message: ReceivedMessage, hungry: boolean): boolean {
    if (this.#stream.listenerCount('fds') === 0) {
      closeAll(message)
      return this.#stream.push(message.data)
    }
    if (hungry || this.#stream.readableLength === 0) return this.#announce(message)
    this.#held = message
    return false
  }

  /** Before the stream's reader reads; it may ask for more than what came before. */
  letGo(size: number | undefined): boolean {
    const held = this.#held
    const { readableLength } = this.#stream
    if (held === undefined || (readableLength > 0 && !(Number(size) > readableLength))) return false
    this.#held = undefined
    return this.#announce(held)
  }

  /** After it has read: who waits to be told that there is more does not know of what is held. */
  remind(): void {
    if (this.#held === undefined || this.#stream.readableLength > 0) return
    process.nextTick(() => {
      if (!this.#stream.destroyed) this.#stream.emit('readable')
    })
  }

  close(): void {
    if (this.#held !== undefined) closeAll(this.#held)
    this.#held = undefined
  }

  #announce({ data, fds }: ReceivedMessage): boolean {
    let wantsMore = false
    try {
      if (!this.#stream.emit('fds', fds)) closeAll({ fds })
    } finally {
      // A listener that throws loses no bytes.
      if (!this.#stream.destroyed) wantsMore = this.#stream.push(data)
    }
    return wantsMore
  }
}

function closeAll({ fds }: Pick<ReceivedMessage, 'fds'>): void {
  for (const descriptor of fds) descriptor.close()
}
