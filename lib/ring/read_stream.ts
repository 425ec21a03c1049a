import { Readable, type ReadableOptions } from 'node:stream'

import { checkBoolean, checkInteger, checkSignal, ownOptions } from '../core/arguments.js'
import { own } from '../core/own.js'
import { mayGoOn, untilNextTurn } from '../core/turn.js'

/** The options of {@link Consumer.createReadStream}. */
export interface RingReadStreamOptions {
  /**
   * Default false: each chunk is one message (the stream is in object mode). True: a stream of bytes,
   * which joins and splits messages as streams do, and leaves out those without bytes.
   */
  joined?: boolean | undefined
  /** The most that the stream keeps before it stops reading; default 16 messages, joined 64 KiB. */
  highWaterMark?: number | undefined
  /** Destroys the stream when it aborts; default none. */
  signal?: AbortSignal | undefined
}

/** The source that a read stream reads from: the consumer. */
export interface MessageQueue {
  tryRead(): Buffer | undefined
  read(options: { signal?: AbortSignal }): Promise<Buffer | undefined>
  close(): void
}

/**
 * The stream ends when the producer closes, fails when it dies, and closes the consumer when it is
 * destroyed.
 */
export function createRingReadStream(
  consumer: MessageQueue,
  options: RingReadStreamOptions,
): Readable {
  options = ownOptions(options, ['joined', 'highWaterMark', 'signal'])
  const { joined = false, signal } = options
  checkBoolean('options.joined', joined)
  const { highWaterMark = joined ? 65536 : 16 } = options
  checkInteger('options.highWaterMark', highWaterMark, 0)
  checkSignal('options.signal', signal)
  const stopped = new AbortController()
  let pumping = false
  let asked = false

  // One at a time: each push makes the stream ask again, also while this waits for the next
  // message. It goes on until the stream is full and has not asked since.
  async function pump(stream: Readable): Promise<void> {
    pumping = true
    for (;;) {
      // A producer that is always faster must not keep the loop from its timers.
      if (!mayGoOn()) await untilNextTurn()
      const message = consumer.tryRead() ?? (await consumer.read({ signal: stopped.signal }))
      if (message === undefined) {
        stream.push(null)
        return
      }
      asked = false
      const isNothing = joined && message.byteLength === 0 // `push` would take it for no answer
      if (!isNothing && !stream.push(message) && !isAsked()) {
        pumping = false
        return
      }
    }
  }

  // The push may have led to a call of `read`.
  const isAsked = () => asked

  const streamOptions: ReadableOptions = {
    objectMode: !joined,
    highWaterMark,
    ...(signal && { signal }),
    read() {
      asked = true
      if (pumping) return
      pump(this).catch((error: unknown) => {
        if (!stopped.signal.aborted) this.destroy(error as Error)
      })
    },
    destroy(error, callback) {
      stopped.abort()
      consumer.close()
      callback(error)
    },
  }
  return new Readable(own(streamOptions))
}
