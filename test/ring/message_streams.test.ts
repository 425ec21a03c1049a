/** A consumer that outlives its producers: their streams, one after the other. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { Ring, type Consumer, type MessageStream } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { bytes, namedRing, sluiceError } from '../support/rings.js'

async function texts(stream: MessageStream): Promise<string[]> {
  const all: string[] = []
  for await (const message of stream) all.push(message.toString())
  return all
}

/** The next stream; the loop over them goes on. */
async function next(streams: ReturnType<Consumer['streams']>): Promise<MessageStream> {
  const { value } = await streams.next()
  return value
}

function write(ring: Ring, ...all: string[]) {
  const producer = ring.producer()
  for (const text of all) producer.tryWrite(bytes(text))
  return producer
}

test('each producer that closes has a stream of its own, also one that wrote nothing', async () => {
  const ring = namedRing()
  const streams = ring.consumer().streams()
  const seen: unknown[] = []
  const reading = (async () => {
    while (seen.length < 3) {
      const stream = await next(streams)
      seen.push([await texts(stream), stream.outcome, stream.pid])
    }
  })()
  for (const messages of [['a', 'b'], [], ['c']]) {
    write(ring, ...messages).close()
    const before = seen.length
    while (seen.length === before) await turn()
  }
  await reading
  expect(seen).toEqual([
    [['a', 'b'], 'ended', process.pid],
    [[], 'ended', process.pid],
    [['c'], 'ended', process.pid],
  ])
})

test('a death is told by its stream, and the successor has the next', async () => {
  const ring = namedRing()
  const streams = ring.consumer().streams()
  const child = new Child('remote.mjs', [ring.name])
  await child.next()
  await child.ask(['open'])
  await child.ask(['producer'])
  await child.ask(['write', 'half a'])
  const first = await next(streams)
  expect([first.pid, first.outcome]).toEqual([child.pid, 'open'])
  expect((await first.read())?.toString()).toBe('half a')
  const reading = first.read()
  child.kill('SIGKILL')
  const died = sluiceError('ERR_SLUICE_PEER_DIED', { pid: child.pid })
  await expect(reading).rejects.toThrow(died)
  expect(first.outcome).toBe('died')
  await expect(first.read()).rejects.toThrow(died)
  await expect(first.consume(() => undefined)).rejects.toThrow(died)

  const waiting = next(streams) // asleep: the death that is known does not wake it
  for (let i = 0; i < 10; i++) await turn()
  const producer = write(ring, 'whole')
  const second = await waiting
  producer.close()
  expect(await texts(second)).toEqual(['whole'])
  expect(second.outcome).toBe('ended')
})

test('a producer that dies before its first message has a stream of nothing but its death', async () => {
  const ring = namedRing()
  const streams = ring.consumer().streams()
  for (let i = 0; i < 2; i++) {
    write(ring).abandon()
    const stream = await next(streams)
    await expect(texts(stream)).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_DIED'))
    expect(stream.outcome).toBe('died')
  }
})

test('the next stream comes when the one before is over, also when others read it', async () => {
  const ring = namedRing()
  const streams = ring.consumer().streams()
  write(ring, 'a', 'b').close()
  const first = await next(streams)
  let second: MessageStream | undefined
  const waiting = next(streams).then((stream) => (second = stream))
  expect(await first.consume(() => false)).toBe(1)
  for (let i = 0; i < 10; i++) await turn()
  expect(second).toBeUndefined()
  expect(await first.consume(() => undefined)).toBe(1)
  expect(first.outcome).toBe('ended')
  expect(await first.consume(() => undefined)).toBe(0)
  expect(await first.read()).toBeUndefined()
  write(ring, 'c').close()
  await waiting
  // The old one has nothing to do with what comes now.
  expect(await first.read()).toBeUndefined()
  expect((await second?.read())?.toString()).toBe('c')
})

test('a loop that is left early leaves its stream behind, and the next one comes', async () => {
  const ring = namedRing()
  const streams = ring.consumer().streams()
  write(ring, 'wanted', 'not', 'these').close()
  for await (const message of await next(streams)) {
    expect(message.toString()).toBe('wanted')
    break
  }
  const waiting = next(streams)
  while (ring.stats().used > 0) await turn()
  let producer
  while (producer === undefined) {
    try {
      producer = write(ring, 'next')
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_SLUICE_STREAM_ENDED' }) // not read to its end yet
      await turn()
    }
  }
  expect((await (await waiting).read())?.toString()).toBe('next')
})

test('waiting for a stream, for its first, its messages and the next, can be cancelled', async () => {
  const ring = namedRing()
  const consumer = ring.consumer()
  const mine = new Error('enough')
  const cancelled = async (streams: ReturnType<Consumer['streams']>, stop: AbortController) => {
    const waiting = expect(streams.next()).rejects.toBe(mine)
    await turn()
    stop.abort(mine)
    await waiting
  }
  let stop = new AbortController()
  await cancelled(consumer.streams({ signal: stop.signal }), stop) // for the first

  write(ring, 'a')
  stop = new AbortController()
  const streams = consumer.streams({ signal: stop.signal })
  const stream = await next(streams)
  await cancelled(streams, stop) // while somebody may still read this one
  await expect(stream.read({ signal: AbortSignal.abort(mine) })).rejects.toBe(mine)
  expect(stream.outcome).toBe('open')
  expect((await stream.read())?.toString()).toBe('a')
})

test('closing the consumer ends it', async () => {
  for (const begun of [false, true]) {
    const ring = namedRing()
    const consumer = ring.consumer()
    const streams = consumer.streams()
    write(ring, 'a')
    const stream = await next(streams)
    if (begun) await stream.read()
    const waiting = begun ? stream.read() : streams.next()
    const closed = expect(waiting).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    consumer.close()
    await closed
  }
})

test('a second loop at the same time is refused, a later one goes on', async () => {
  const ring = namedRing()
  const consumer = ring.consumer()
  write(ring, 'a').close()
  const streams = consumer.streams()
  expect(await texts(await next(streams))).toEqual(['a'])
  await expect(consumer.streams().next()).rejects.toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
  await streams.return(undefined as never)
  expect(consumer.ended).toBe(true)
  const later = next(consumer.streams())
  write(ring, 'b').close()
  expect(await texts(await later)).toEqual(['b'])
})

test('wrong options are refused at once', () => {
  const consumer = namedRing().consumer()
  const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
  expect(() => consumer.streams({ signal: 5 as never })).toThrow(invalid)
  expect(() => consumer.streams({ timeout: 5 } as never)).toThrow(invalid)
})
