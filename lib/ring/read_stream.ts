import { Readable } from 'node:stream'

import { checkInteger, checkOptions } from '../core/arguments.js'
import { checkWaitOptions } from '../core/wait_options.js'
import type { Consumer } from './consumer.js'

export interface RingReadStreamOptions {
  /** Bytes that the stream keeps at most before it stops reading; default 64 KiB. */
  highWaterMark?: number | undefined
  /** Destroys the stream when it aborts. */
  signal?: AbortSignal | undefined
}

/**
 * The stream ends when the producer closes, fails when it dies, and closes the consumer when it is
 * destroyed. Messages without bytes are left out: a stream of bytes cannot show them.
 */
export function createRingReadStream(consumer: Consumer, options: RingReadStreamOptions): Readable {
  checkOptions(options, ['highWaterMark', 'signal'])
  const { highWaterMark = 65536, signal } = options
  checkInteger('options.highWaterMark', highWaterMark, 0)
  checkWaitOptions({ signal })
  const stopped = new AbortController()
  let pumping = false
  let asked = false

  // One at a time: each push makes the stream ask again, also while this waits for the next
  // message. It goes on until the stream is full and has not asked since.
  async function pump(stream: Readable): Promise<void> {
    pumping = true
    for (;;) {
      const message = consumer.tryRead() ?? (await consumer.read({ signal: stopped.signal }))
      if (message === undefined) {
        stream.push(null)
        return
      }
      asked = false
      if (message.byteLength > 0 && !stream.push(message) && !isAsked()) {
        pumping = false
        return
      }
    }
  }

  // The push may have led to a call of `read`.
  const isAsked = () => asked

  return new Readable({
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
  })
}
