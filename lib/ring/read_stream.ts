import { Readable } from 'node:stream'

import { checkInteger, checkOptions } from '../core/arguments.js'
import { checkWaitOptions } from '../core/waiting.js'
import type { Consumer } from './consumer.js'

export interface RingReadStreamOptions {
  /** Bytes that the stream keeps at most before it stops reading; default 64 KiB. */
  highWaterMark?: number
  /** Destroys the stream when it aborts. */
  signal?: AbortSignal
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

  async function pump(stream: Readable): Promise<void> {
    for (;;) {
      const message = consumer.tryRead() ?? (await consumer.read({ signal: stopped.signal }))
      if (message === undefined) {
        stream.push(null)
        return
      }
      if (message.byteLength > 0 && !stream.push(message)) return
    }
  }

  return new Readable({
    highWaterMark,
    ...(signal && { signal }),
    read() {
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
