import type { SystemHandle } from './system_handle.js'

/** What comes out of `receive`. */
export interface ReceivedPipeMessage {
  data: Buffer
  /** The receiver's own, to close. */
  handles: SystemHandle[]
}

// With 16 handles each that is no more than may be on their way.
const mostMessages = 4
const mostBytes = 65536

/** Messages that were read and not asked for yet. */
export class KeptMessages {
  #messages: ReceivedPipeMessage[] = []
  #bytes = 0

  get empty(): boolean {
    return this.#messages.length === 0
  }

  /** Whether more may be read that nobody has asked for. */
  get hasRoom(): boolean {
    return this.#messages.length < mostMessages && this.#bytes < mostBytes
  }

  add(message: ReceivedPipeMessage): void {
    this.#messages.push(message)
    this.#bytes += message.data.length
  }

  take(): ReceivedPipeMessage | undefined {
    const message = this.#messages.shift()
    this.#bytes -= message?.data.length ?? 0
    return message
  }

  close(): void {
    for (let message; (message = this.take()) !== undefined;) closeAll(message.handles)
  }
}

export function closeAll(handles: readonly SystemHandle[]): void {
  for (const handle of handles) handle.close()
}
