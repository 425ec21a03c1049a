import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { describe, expect, test } from 'vitest'

import { eventually } from '../support/resources.js'
import { bytes, ringWithEnds, sluiceError } from '../support/rings.js'

function sha(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

test('a pipeline goes through, whole and in order', async () => {
  const { producer, consumer } = ringWithEnds(65536)
  const data = randomBytes(3_000_000)
  const chunks = function* () {
    for (let at = 0, size = 1; at < data.length; at += size, size = (size * 7 + 1) % 100_003) {
      yield data.subarray(at, at + size)
    }
  }
  const [, received] = await Promise.all([
    pipeline(Readable.from(chunks()), producer.createWriteStream()),
    buffer(consumer.createReadStream()),
  ])
  expect(sha(received)).toBe(sha(data))
})

test('a pipeline with gzip on both sides goes through', async () => {
  const { producer, consumer } = ringWithEnds(16384)
  const data = Buffer.from('compressible '.repeat(100_000))
  const gunzip = createGunzip()
  const [, , received] = await Promise.all([
    pipeline(Readable.from([data]), createGzip(), producer.createWriteStream()),
    pipeline(consumer.createReadStream(), gunzip),
    buffer(gunzip),
  ])
  expect(sha(received)).toBe(sha(data))
})

test('a long chunk becomes several messages', async () => {
  const { producer, consumer } = ringWithEnds()
  producer.createWriteStream({ maxMessageLength: 100, type: 7 }).end(Buffer.alloc(250, 1))
  const lengths: number[] = []
  await consumer.consume((message, type) => void lengths.push(message.length, type))
  expect(lengths).toEqual([100, 7, 100, 7, 50, 7])
})

test('several chunks that wait are published once', async () => {
  const { ring, producer, consumer } = ringWithEnds()
  const stream = producer.createWriteStream()
  stream.cork()
  for (const text of ['a', 'b', 'c']) stream.write(text)
  expect(ring.stats().used).toBe(0)
  const read = consumer.read()
  stream.uncork()
  expect((await read)?.toString()).toBe('a')
  // The first to be seen came together with the others.
  expect([String(consumer.tryRead()), String(consumer.tryRead())]).toEqual(['b', 'c'])
  stream.end()
})

test('messages that come one at a time are read one at a time', async () => {
  const { producer, consumer } = ringWithEnds()
  const stream = consumer.createReadStream()
  let seen = 0
  stream.on('data', () => seen++)
  for (let i = 1; i <= 3000; i++) {
    producer.tryWrite(bytes('x'))
    await eventuallyWithoutCollecting(() => seen === i)
  }
  producer.close()
  await once(stream, 'end')
})

async function eventuallyWithoutCollecting(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('the message did not come')
    await new Promise(setImmediate)
  }
}

test.each([
  ['bytes', { joined: true, highWaterMark: 1000 }, 1000 + 100],
  ['messages', { highWaterMark: 10 }, 10],
])(
  'a slow reader holds the writer up: what is kept is bounded, in %s',
  async (_, options, most) => {
    const { ring, producer, consumer } = ringWithEnds()
    const writer = producer.createWriteStream({ highWaterMark: 1000 })
    const reader = consumer.createReadStream(options)
    let accepted = 0
    const chunk = Buffer.alloc(100)
    while (writer.write(chunk)) accepted++
    // Nobody reads from the stream: it fills up to its mark, then the ring, then the writer.
    reader.read(0)
    let quiet = 0
    let before = -1
    await eventually(() => {
      while (writer.writableLength < 1000 && writer.write(chunk)) accepted++
      quiet = before === accepted ? quiet + 1 : 0
      before = accepted
      return quiet > 50
    })
    expect(accepted * 100).toBeLessThan(3 * 1000 + ring.capacity)
    expect(reader.readableLength).toBeLessThanOrEqual(most)
    writer.on('error', () => undefined)
    reader.on('error', () => undefined)
    reader.destroy()
    writer.destroy()
  },
)

test('a stream can be paused and resumed without a loss', async () => {
  const { producer, consumer } = ringWithEnds()
  const data = randomBytes(200_000)
  const writing = pipeline(
    Readable.from([data]),
    producer.createWriteStream({ maxMessageLength: 500 }),
  )
  const received: Buffer[] = []
  const reader = consumer.createReadStream({ highWaterMark: 1 })
  reader.on('data', (chunk: Buffer) => {
    received.push(chunk)
    reader.pause()
    setImmediate(() => reader.resume())
  })
  await Promise.all([writing, once(reader, 'end')])
  expect(sha(Buffer.concat(received))).toBe(sha(data))
})

test('reading by calls of read() works too', async () => {
  const { producer, consumer } = ringWithEnds()
  const data = randomBytes(50_000)
  const writing = pipeline(
    Readable.from([data]),
    producer.createWriteStream({ maxMessageLength: 999 }),
  )
  const reader = consumer.createReadStream()
  const received: Buffer[] = []
  reader.on('readable', () => {
    for (let chunk; (chunk = reader.read() as Buffer | null) !== null;) received.push(chunk)
  })
  await Promise.all([writing, once(reader, 'end')])
  expect(sha(Buffer.concat(received))).toBe(sha(data))
})

test('strings are written in their encoding; empty chunks are nothing', async () => {
  const { producer, consumer } = ringWithEnds()
  const stream = producer.createWriteStream()
  stream.write('c3bc', 'hex')
  stream.write('')
  stream.end('ü')
  expect((await buffer(consumer.createReadStream())).toString()).toBe('üü')
})

test('each chunk is one message, whatever way the stream is read', async () => {
  const messages = ['', 'a', '', 'bc', 'def', '']
  const ways: ((stream: Readable) => Promise<Buffer[]>)[] = [
    (stream) => stream.toArray() as Promise<Buffer[]>,
    async (stream) => {
      const all: Buffer[] = []
      for await (const chunk of stream) all.push(chunk as Buffer)
      return all
    },
    async (stream) => {
      const all: Buffer[] = []
      stream.on('readable', () => {
        for (let chunk; (chunk = stream.read() as Buffer | null) !== null;) all.push(chunk)
      })
      await once(stream, 'end')
      return all
    },
    (stream) => stream.map((chunk: Buffer) => chunk).toArray() as Promise<Buffer[]>,
  ]
  for (const way of ways) {
    const { producer, consumer } = ringWithEnds()
    for (const text of messages) producer.tryWrite(bytes(text))
    producer.close()
    expect((await way(consumer.createReadStream())).map(String)).toEqual(messages)
  }
})

test('a stream of bytes joins messages; those without bytes do not end it', async () => {
  const { producer, consumer } = ringWithEnds()
  for (const text of ['', 'a', '', '', 'bc', '']) producer.tryWrite(bytes(text))
  producer.close()
  const stream = consumer.createReadStream({ joined: true })
  expect((await buffer(stream)).toString()).toBe('abc')
})

describe('the end', () => {
  test('end() is the end for the reader, and closes the producer', async () => {
    const { producer, consumer } = ringWithEnds()
    const stream = producer.createWriteStream()
    stream.end('last')
    await once(stream, 'close')
    expect(producer.closed).toBe(true)
    expect((await consumer.read())?.toString()).toBe('last')
    expect(await consumer.read()).toBeUndefined()
  })

  test('the read stream closes the consumer when it has ended', async () => {
    const { producer, consumer } = ringWithEnds()
    producer.close()
    const stream = consumer.createReadStream()
    stream.resume()
    await once(stream, 'close')
    expect(consumer.closed).toBe(true)
  })
})

describe('destroying', () => {
  test('the writer looks to the reader like a death, not like an end', async () => {
    const { producer, consumer } = ringWithEnds()
    const writer = producer.createWriteStream()
    writer.write('half a')
    writer.destroy()
    const reader = consumer.createReadStream()
    const error = await buffer(reader).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({ code: 'ERR_SLUICE_PEER_DIED' })
    expect(reader.destroyed).toBe(true)
  })

  test.each(['idle', 'waiting for a message', 'full'])('a reader that is %s', async (state) => {
    const { producer, consumer } = ringWithEnds()
    const reader = consumer.createReadStream({ highWaterMark: 1 })
    if (state !== 'idle') reader.read(0)
    if (state === 'full') {
      while (producer.tryWrite(Buffer.alloc(200)));
      await once(reader, 'readable')
    }
    reader.destroy()
    await once(reader, 'close')
    expect(consumer.closed).toBe(true)
    while (!producer.closed && producer.tryWrite(Buffer.alloc(1000)));
    await expect(producer.write(Buffer.alloc(1000))).rejects.toThrow(
      sluiceError('ERR_SLUICE_PEER_CLOSED'),
    )
  })

  test('the reader fails a writer that waits for room', async () => {
    const { producer, consumer } = ringWithEnds()
    const writer = producer.createWriteStream()
    const failed = once(writer, 'error')
    writer.write(Buffer.alloc(20_000))
    consumer.createReadStream({ highWaterMark: 1 }).destroy()
    const [error] = (await failed) as [Error]
    expect(error).toMatchObject({ code: 'ERR_SLUICE_PEER_CLOSED' })
    expect(producer.closed).toBe(true)
  })

  test.each(['idle', 'waiting for room', 'waiting in a writev', 'ending'])(
    'a writer that is %s',
    async (state) => {
      const { producer, consumer } = ringWithEnds()
      const writer = producer.createWriteStream()
      if (state !== 'idle') {
        if (state === 'waiting in a writev') writer.cork()
        for (let i = 0; i < 3; i++) writer.write(Buffer.alloc(5000))
        if (state === 'waiting in a writev') writer.uncork()
        if (state === 'ending') writer.end()
      }
      writer.destroy()
      await once(writer, 'close')
      expect(producer.closed).toBe(true)
      const reading = (async () => {
        while ((await consumer.read()) !== undefined);
      })()
      await expect(reading).rejects.toMatchObject({ code: 'ERR_SLUICE_PEER_DIED' })
    },
  )

  test('with an error gives that error', async () => {
    const { producer, consumer } = ringWithEnds()
    const mine = new Error('mine')
    for (const stream of [producer.createWriteStream(), consumer.createReadStream()]) {
      const failed = once(stream, 'error')
      stream.destroy(mine)
      expect((await failed)[0]).toBe(mine)
    }
  })

  test('by a signal', async () => {
    const { producer, consumer } = ringWithEnds()
    for (const make of [
      (signal: AbortSignal): Writable | Readable => producer.createWriteStream({ signal }),
      (signal: AbortSignal): Writable | Readable => consumer.createReadStream({ signal }),
    ]) {
      const controller = new AbortController()
      const stream = make(controller.signal)
      const failed = once(stream, 'error')
      controller.abort()
      expect((await failed)[0]).toMatchObject({ name: 'AbortError' })
    }
    expect([producer.closed, consumer.closed]).toEqual([true, true])
  })

  test.each(['producer', 'ring'] as const)('closing the %s fails the writer', async (what) => {
    const ends = ringWithEnds()
    const writer = ends.producer.createWriteStream()
    const failed = once(writer, 'error')
    writer.write(Buffer.alloc(20_000))
    ends[what].close()
    expect((await failed)[0]).toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
  })

  test.each(['consumer', 'ring'] as const)('closing the %s fails the reader', async (what) => {
    const ends = ringWithEnds()
    const reader = ends.consumer.createReadStream()
    const failed = once(reader, 'error')
    reader.resume()
    await new Promise(setImmediate)
    ends[what].close()
    expect((await failed)[0]).toMatchObject({ code: 'ERR_SLUICE_CLOSED' })
  })
})
