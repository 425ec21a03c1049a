/**
 * The event loop lives beside a peer that is always faster: everything that could go on for ever
 * without waiting gives way after a bounded piece of work. The peer is played by the test itself,
 * which makes the ring full, or empty, again after each operation; turns of the loop are counted.
 */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'

import type { Consumer, Producer } from '../../lib/index.js'
import { ringWithEnds } from '../support/rings.js'

const wanted = 20 // turns of the loop
const most = 200_000 // operations, if the loop never gets its turn

/** Counts turns of the loop while it is `running`, by a timer, as a user would notice them. */
function countTurns() {
  const state = { turns: 0 }
  const timer = setInterval(() => state.turns++, 0)
  return {
    state,
    stop: () => {
      clearInterval(timer)
    },
  }
}

const message = Buffer.alloc(8)

const reading: [string, (consumer: Consumer, goOn: () => boolean) => Promise<void>][] = [
  [
    'for await over the consumer',
    async (consumer, goOn) => {
      for await (const bytes of consumer) if (bytes.length !== 8 || !goOn()) return
    },
  ],
  [
    'await read()',
    async (consumer, goOn) => {
      do await consumer.read()
      while (goOn())
    },
  ],
  [
    'await ready(), and peek and release',
    async (consumer, goOn) => {
      do {
        await consumer.ready()
        consumer.tryRead()
      } while (goOn())
    },
  ],
  [
    'for await over a stream of messages',
    async (consumer, goOn) => {
      for await (const bytes of consumer.createReadStream()) {
        if ((bytes as Buffer).length !== 8 || !goOn()) return
      }
    },
  ],
  [
    'for await over a stream of bytes',
    async (consumer, goOn) => {
      for await (const bytes of consumer.createReadStream({ joined: true })) {
        if ((bytes as Buffer).length === 0 || !goOn()) return
      }
    },
  ],
  [
    "'data' events",
    async (consumer, goOn) => {
      const stream = consumer.createReadStream()
      stream.on('data', () => {
        if (!goOn()) stream.destroy()
      })
      await once(stream, 'close')
    },
  ],
  [
    'for await over streams()',
    async (consumer, goOn) => {
      for await (const stream of consumer.streams()) {
        for await (const bytes of stream) if (bytes.length !== 8 || !goOn()) return
      }
    },
  ],
  [
    'consume()',
    async (consumer, goOn) => {
      await consumer.consume(() => goOn())
    },
  ],
]

describe('a timer runs beside a producer that is always faster, in', () => {
  test.each(reading)('%s', async (_, read) => {
    const { producer, consumer } = ringWithEnds()
    const refill = () => {
      while (producer.tryWrite(message));
    }
    refill()
    const { state, stop } = countTurns()
    let count = 0
    await read(consumer, () => {
      refill()
      return ++count < most && state.turns < wanted
    })
    stop()
    expect(state.turns).toBeGreaterThanOrEqual(wanted)
  })
})

const writing: [string, (producer: Producer, goOn: () => boolean) => Promise<void>][] = [
  [
    'await write()',
    async (producer, goOn) => {
      do await producer.write(message)
      while (goOn())
    },
  ],
  [
    'await ready()',
    async (producer, goOn) => {
      do {
        await producer.ready(8)
        producer.tryWrite(message)
      } while (goOn())
    },
  ],
  [
    'a pipeline into a write stream',
    async (producer, goOn) => {
      const endless = function* () {
        while (goOn()) yield message
      }
      Readable.from(endless()).pipe(producer.createWriteStream())
      // Chunks that are still on their way when the source has ended need room, too.
      while (!producer.closed) {
        await new Promise(setImmediate)
        goOn()
      }
    },
  ],
  [
    'callbacks of a write stream',
    async (producer, goOn) => {
      const stream = producer.createWriteStream()
      const next = () => {
        if (goOn()) stream.write(message, next)
        else stream.end()
      }
      next()
      await once(stream, 'close')
    },
  ],
]

describe('a timer runs beside a consumer that is always faster, in', () => {
  test.each(writing)('%s', async (_, write) => {
    const { producer, consumer } = ringWithEnds()
    const { state, stop } = countTurns()
    let count = 0
    await write(producer, () => {
      while (consumer.tryRead() !== undefined);
      return ++count < most && state.turns < wanted
    })
    stop()
    expect(state.turns).toBeGreaterThanOrEqual(wanted)
  })
})
