import type { Readable } from 'node:stream'

import { closeAll, type Arrival } from './inbox.js'

/**
 * Gives what comes beside the bytes of a stream to the listeners of an event, `'fds'` or `'handles'`,
 * just before the chunk that it came with. While something is left in the stream's buffer, the chunk
 * is held.
 */
export class CargoAnnouncer {
  readonly #stream: Readable
  readonly #event: string
  #held: Arrival | undefined

  constructor(stream: Readable, event: string) {
    this.#stream = stream
    this.#event = event
  }

  /** Nothing may be read then: it would overtake what is held. */
  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Whether the stream wants more. `hungry`: its reader has asked for more than is left. */
  take(arrival: Arrival, hungry: boolean): boolean {
    if (this.#stream.listenerCount(this.#event) === 0) {
      closeAll(arrival.received)
      return this.#stream.push(arrival.data)
    }
    if (hungry || this.#stream.readableLength === 0) return this.#announce(arrival)
    this.#held = arrival
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

  /** After the stream's reader has read: a reader that waits for more does not know of the held chunk. */
  remind(): void {
    if (this.#held === undefined || this.#stream.readableLength > 0) return
    process.nextTick(() => {
      if (!this.#stream.destroyed) this.#stream.emit('readable')
    })
  }

  close(): void {
    if (this.#held !== undefined) closeAll(this.#held.received)
    this.#held = undefined
  }

  #announce({ data, received }: Arrival): boolean {
    let wantsMore = false
    try {
      if (!this.#stream.emit(this.#event, received)) closeAll(received)
    } finally {
      // A listener that throws loses no bytes.
      if (!this.#stream.destroyed) wantsMore = this.#stream.push(data)
    }
    return wantsMore
  }
}
