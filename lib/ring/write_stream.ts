import { Writable, type WritableOptions } from 'node:stream'

import { checkInteger, checkSignal, ownOptions } from '../core/arguments.js'
import { own } from '../core/own.js'
import { mayGoOn, untilNextTurn } from '../core/turn.js'

/** The options of {@link Producer.createWriteStream}. */
export interface RingWriteStreamOptions {
  /** Bytes that the stream keeps at most before `write` says so; default 64 KiB. */
  highWaterMark?: number | undefined
  /**
   * Bytes of the longest message that is made of a chunk; longer chunks become several. Default 64 KiB, or
   * the longest of the ring.
   */
  maxMessageLength?: number | undefined
  /** The messages' type; default 0. */
  type?: number | undefined
  /** Destroys the stream when it aborts; default none. */
  signal?: AbortSignal | undefined
}

const defaultMessageLength = 65536

/** The sink that a write stream writes to: the producer. */
export interface MessageSink {
  readonly closed: boolean
  tryWrite(bytes: Uint8Array, type?: number): boolean
  write(bytes: Uint8Array, options: { type?: number; signal?: AbortSignal }): Promise<void>
  cork(): void
  uncork(): void
  close(): void
  abandon(): void
}

/**
 * `end()` closes the producer, so that the reader sees the end. A stream that is destroyed before
 * abandons it, so that the reader does not take half a stream for a whole one.
 */
export function createRingWriteStream(
  producer: MessageSink,
  longest: number,
  options: RingWriteStreamOptions,
): Writable {
  options = ownOptions(options, ['highWaterMark', 'maxMessageLength', 'type', 'signal'])
  const { highWaterMark = 65536, type = 0, signal } = options
  const maxMessageLength = options.maxMessageLength ?? Math.min(longest, defaultMessageLength)
  checkInteger('options.highWaterMark', highWaterMark, 0)
  checkInteger('options.maxMessageLength', maxMessageLength, 1, longest)
  checkInteger('options.type', type, 0, 2 ** 31 - 1)
  checkSignal('options.signal', signal)
  const stopped = new AbortController()

  async function put(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.byteLength; start += maxMessageLength) {
      // A consumer that is always faster must not keep the loop from its timers.
      if (!mayGoOn()) await untilNextTurn()
      const piece = chunk.subarray(start, start + maxMessageLength)
      if (!producer.tryWrite(piece, type)) {
        await producer.write(piece, { type, signal: stopped.signal })
      }
    }
  }

  async function putAll(chunks: readonly Uint8Array[]): Promise<void> {
    producer.cork()
    try {
      for (const chunk of chunks) await put(chunk)
    } finally {
      if (!producer.closed) producer.uncork()
    }
  }

  function settle(work: Promise<void>, callback: (error?: Error | null) => void): void {
    work.then(
      () => {
        callback()
      },
      (error: unknown) => {
        callback(error as Error)
      },
    )
  }

  const streamOptions: WritableOptions = {
    highWaterMark,
    decodeStrings: true,
    ...(signal && { signal }),
    write(chunk: Uint8Array, _encoding, callback) {
      settle(put(chunk), callback)
    },
    writev(chunks, callback) {
      settle(putAll(chunks.map(({ chunk }) => chunk as Uint8Array)), callback)
    },
    final(callback) {
      producer.close()
      callback()
    },
    destroy(error, callback) {
      stopped.abort()
      producer.abandon() // does nothing after `final`
      callback(error)
    },
  }
  return new Writable(own(streamOptions))
}
