import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'

import { Ring, type ClaimOptions } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onWindows, unixOnly } from '../support/platform.js'
import { bytes, closedAfterTest, namedRing, ringWithEnds, sluiceError } from '../support/rings.js'
import { stress } from '../support/stress.js'

async function remote(ring: { name: string }, ...commands: unknown[][]): Promise<Child> {
  const child = new Child('remote.mjs', [ring.name])
  await child.next()
  for (const command of [['open'], ...commands]) {
    expect(await child.ask(command)).toMatchObject({ value: null })
  }
  return child
}

describe.each(['producer', 'consumer'] as const)('the role of %s', (role) => {
  const claim = (ring: Ring, options: ClaimOptions = {}) =>
    role === 'producer' ? ring.claimProducer(options) : ring.claimConsumer(options)

  test('can be waited for until its holder closes, is killed, or the wait is cancelled', async () => {
    const ring = namedRing()
    ;(await claim(ring)).close()
    if (role === 'producer') await ring.consumer().consume(() => undefined)
    const child = await remote(ring, [role])
    const mine = new Error('enough')
    const stop = new AbortController()
    const cancelled = expect(claim(ring, { signal: stop.signal })).rejects.toBe(mine)
    await expect(claim(ring, { timeout: 20 })).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
    stop.abort(mine)
    await cancelled
    const waiting = claim(ring)
    child.kill('SIGKILL')
    expect((await waiting).closed).toBe(false)
    const closed = expect(claim(ring)).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    ring.close()
    await closed
  })

  test('cannot be waited for with wrong options', () => {
    const ring = namedRing()
    const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    for (const options of [{ spin: -1 }, { signal: 5 }, { timeout: -1 }, { mode: 5 }]) {
      expect(() => claim(ring, options as ClaimOptions)).toThrow(invalid)
    }
  })

  test('is refused while another process has it, who is named', async () => {
    const ring = namedRing()
    const child = await remote(ring, [role])
    expect(() => ring[role]()).toThrow(sluiceError('ERR_SLUICE_ROLE_TAKEN', { pid: child.pid }))
    expect(() => ring[role]()).toThrow(
      new RegExp(`already has a ${role}, process ${String(child.pid)}`),
    )
  })

  test('is refused to another process while this one has it', async () => {
    const ring = namedRing()
    closedAfterTest(ring[role]())
    const child = await remote(ring)
    expect(await child.ask([role])).toMatchObject({
      error: { code: 'ERR_SLUICE_ROLE_TAKEN', pid: process.pid },
    })
  })

  test('is refused a second time in one process, through any ring', () => {
    const a = namedRing()
    const b = closedAfterTest(Ring.open(a.name))
    const others = onWindows
      ? [b]
      : [b, closedAfterTest(Ring.fromFd(a.fd, { requireSeals: false }))]
    a[role]()
    for (const ring of [a, ...others]) {
      expect(() => ring[role]()).toThrow(sluiceError('ERR_SLUICE_ROLE_TAKEN', { pid: process.pid }))
    }
  })

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'is free when its holder died of %s',
    async (signal) => {
      const ring = namedRing()
      const child = await remote(ring, [role])
      child.kill(signal)
      await child.exited
      expect(ring.stats()[role]).toMatchObject({ state: 'open', alive: false, pid: child.pid })
      expect(closedAfterTest(ring[role]()).closed).toBe(false)
    },
  )

  test.each(['abandon', 'closeRing', 'exit'])('is free after %s', async (how) => {
    const ring = namedRing()
    ring.consumer().close()
    const child = await remote(ring, [role])
    child.say([how, 0])
    if (how === 'exit') await child.exited
    else await child.next()
    if (how === 'closeRing' && role === 'producer') {
      // That was the end of a stream, which has to be read first.
      expect(() => ring.producer()).toThrow(sluiceError('ERR_SLUICE_STREAM_ENDED'))
      expect(await ring.consumer().read()).toBeUndefined()
    }
    closedAfterTest(ring[role]())
  })

  const rounds = stress({ short: 1, full: 2 })

  test('is taken over by exactly one of several after its holder died', async () => {
    for (let round = 0; round < rounds; round++) {
      const ring = namedRing()
      const holder = await remote(ring, [role])
      const contenders = await Promise.all(Array.from({ length: 4 }, () => remote(ring)))
      holder.kill('SIGKILL')
      await holder.exited
      for (const child of contenders) child.say([role])
      const answers = await Promise.all(
        contenders.map((child) => child.next<{ error?: { code: string; pid: number } }>()),
      )
      const winners = contenders.filter((_, i) => answers[i]?.error === undefined)
      expect(winners).toHaveLength(1)
      const losers = answers.flatMap(({ error }) => (error ? [error] : []))
      expect(losers).toHaveLength(3)
      for (const error of losers) expect(error.code).toBe('ERR_SLUICE_ROLE_TAKEN')
      expect(ring.stats()[role].pid).toBe(winners[0]?.pid)
    }
  })
})

describe('a death', () => {
  test('of the producer: what it committed is read, then the death', async () => {
    const ring = namedRing()
    const consumer = ring.consumer()
    const child = await remote(ring, ['producer'])
    for (const text of ['a', 'b', 'c']) await child.ask(['write', text])
    child.kill('SIGKILL')
    await child.exited
    for (const text of ['a', 'b', 'c']) expect(String(await consumer.read())).toBe(text)
    const died = sluiceError('ERR_SLUICE_PEER_DIED', { pid: child.pid })
    await expect(consumer.read()).rejects.toThrow(died)
    await expect(consumer.consume(() => undefined)).rejects.toThrow(died)
    expect(() => consumer.readSync()).toThrow(died)
    expect(() => consumer.waitSync()).toThrow(died)
    expect(consumer.tryRead()).toBeUndefined()
  })

  test.each(['read', 'consume', 'iterate', 'stream'])(
    'of the producer reaches who waits by %s',
    async (how) => {
      const ring = namedRing()
      const consumer = ring.consumer()
      const child = await remote(ring, ['producer'])
      const waiting = (async () => {
        if (how === 'read') await consumer.read()
        if (how === 'consume') await consumer.consume(() => undefined)
        if (how === 'iterate') await consumer[Symbol.asyncIterator]().next()
        if (how === 'stream') await buffer(consumer.createReadStream())
      })()
      child.kill('SIGKILL')
      await expect(waiting).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_DIED', { pid: child.pid }))
    },
  )

  test('of the consumer reaches a producer that waits for room, and all its writes', async () => {
    const ring = namedRing()
    const producer = ring.producer()
    const child = await remote(ring, ['consumer'])
    while (producer.tryWrite(Buffer.alloc(1000)));
    const writes = [1, 2, 3].map(() => producer.write(Buffer.alloc(1000)))
    child.kill('SIGKILL')
    await Promise.all(
      writes.map((write) =>
        expect(write).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_DIED', { pid: child.pid })),
      ),
    )
    await expect(producer.ready(1000)).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_DIED'))
    expect(() => {
      producer.writeSync(Buffer.alloc(1000))
    }).toThrow(sluiceError('ERR_SLUICE_PEER_DIED'))
    // Another consumer makes it work again.
    const consumer = ring.consumer()
    const write = producer.write(Buffer.alloc(1000))
    while (consumer.tryRead());
    await write
  })

  test('of the consumer fails also the writes that were called before it could be seen', async () => {
    const ring = namedRing()
    const producer = ring.producer()
    const child = await remote(ring, ['consumer'])
    while (producer.tryWrite(Buffer.alloc(1000)));
    child.kill('SIGKILL')
    await child.exited
    const first = producer.write(Buffer.alloc(1000)) // fails at once
    const consumer = ring.consumer() // the successor makes room for all that follow
    while (consumer.tryRead());
    const second = producer.write(bytes('second'))
    expect(producer.tryWrite(bytes('third'))).toBe(false)
    expect(producer.tryReserve(8)).toBe(false)
    const died = sluiceError('ERR_SLUICE_PEER_DIED', { pid: child.pid })
    await expect(first).rejects.toThrow(died)
    await expect(second).rejects.toThrow(died)
    // A caller that has seen the failure may write again: no message came in front of a lost one.
    await producer.write(bytes('again'))
    expect(String(consumer.tryRead())).toBe('again')
    expect(consumer.tryRead()).toBeUndefined()
  })

  test('of the consumer does not disturb a producer that finds room', async () => {
    const ring = namedRing()
    const producer = ring.producer()
    const child = await remote(ring, ['consumer'])
    child.kill('SIGKILL')
    await child.exited
    await producer.write(bytes('kept'))
    expect(String(ring.consumer().tryRead())).toBe('kept')
  })

  test('a restarted peer goes on where the dead one stopped', async () => {
    const ring = namedRing()
    const consumer = ring.consumer()
    for (const text of ['first', 'second']) {
      const child = await remote(ring, ['producer'])
      await child.ask(['write', text])
      child.kill('SIGKILL')
      await child.exited
    }
    expect(String(await consumer.read())).toBe('first')
    expect(String(await consumer.read())).toBe('second')
  })

  test('a message that was peeked at the death comes again', async () => {
    const ring = namedRing()
    const producer = ring.producer()
    for (const text of ['a', 'b', 'c']) producer.tryWrite(bytes(text))
    const child = await remote(ring, ['consumer'])
    expect(await child.ask(['tryRead'])).toEqual({ value: 'a' })
    expect(await child.ask(['peek'])).toEqual({ value: 1 })
    child.kill('SIGKILL')
    await child.exited
    const consumer = ring.consumer()
    expect(String(consumer.tryRead())).toBe('b')
    expect(String(consumer.tryRead())).toBe('c')
  })
})

describe('a stopped process is not dead', () => {
  unixOnly('no signal stops a process on Windows')(
    'a consumer that is stopped: writes wait, and go on when it does',
    async () => {
      const ring = namedRing()
      const producer = ring.producer()
      const child = await remote(ring, ['consumer'])
      child.kill('SIGSTOP')
      while (producer.tryWrite(Buffer.alloc(1000)));
      // Three times as long as a death takes to be noticed.
      await expect(producer.write(Buffer.alloc(1000), { timeout: 300 })).rejects.toThrow(
        sluiceError('ERR_SLUICE_TIMEOUT'),
      )
      expect(ring.stats().consumer.alive).toBe(true)
      expect(() => ring.consumer()).toThrow(sluiceError('ERR_SLUICE_ROLE_TAKEN'))
      const write = producer.write(Buffer.alloc(1000))
      child.kill('SIGCONT')
      for (let i = 0; i < 3; i++) await child.ask(['tryRead'])
      await write
    },
  )

  unixOnly('no signal stops a process on Windows')(
    'a producer that is stopped: reads wait, and go on when it does',
    async () => {
      const ring = namedRing()
      const consumer = ring.consumer()
      const child = await remote(ring, ['producer'])
      child.kill('SIGSTOP')
      await expect(consumer.read({ timeout: 300 })).rejects.toThrow(
        sluiceError('ERR_SLUICE_TIMEOUT'),
      )
      const read = consumer.read()
      child.kill('SIGCONT')
      await child.ask(['write', 'awake'])
      expect(String(await read)).toBe('awake')
    },
  )
})

describe('streams, one after another', () => {
  test('a new one may begin when the end of the last was read', async () => {
    const { ring, producer, consumer } = ringWithEnds()
    producer.tryWrite(bytes('a'))
    producer.close()
    expect(() => ring.producer()).toThrow(sluiceError('ERR_SLUICE_STREAM_ENDED'))
    expect(String(await consumer.read())).toBe('a')
    expect(() => ring.producer()).toThrow(sluiceError('ERR_SLUICE_STREAM_ENDED'))
    expect(await consumer.read()).toBeUndefined()
    const next = ring.producer()
    next.tryWrite(bytes('b'))
    expect(consumer.tryRead()).toBeUndefined() // this one has seen its end
    consumer.close()
    expect(String(ring.consumer().tryRead())).toBe('b')
  })

  test('an end that nobody read is there for the next consumer', async () => {
    const { ring, producer, consumer } = ringWithEnds()
    consumer.close()
    producer.close()
    expect(await ring.consumer().read()).toBeUndefined()
  })

  test('an end that was read is not read again: the next consumer waits for the next', async () => {
    const { ring, producer, consumer } = ringWithEnds()
    producer.close()
    expect(await consumer.read()).toBeUndefined()
    consumer.close()
    const next = ring.consumer()
    const read = next.read()
    ring.producer().tryWrite(bytes('new'))
    expect(String(await read)).toBe('new')
  })

  test('abandon is no end: the successor continues the stream', async () => {
    const { ring, producer, consumer } = ringWithEnds()
    producer.tryWrite(bytes('a'))
    producer.abandon()
    producer.abandon()
    const successor = ring.producer()
    successor.tryWrite(bytes('b'))
    successor.close()
    const seen: string[] = []
    for await (const message of consumer) seen.push(String(message))
    expect(seen).toEqual(['a', 'b'])
  })

  test('a consumer that closed is gone for a producer without room', async () => {
    const { producer, consumer } = ringWithEnds()
    while (producer.tryWrite(Buffer.alloc(1000)));
    const write = producer.write(Buffer.alloc(1000))
    consumer.close()
    await expect(write).rejects.toThrow(sluiceError('ERR_SLUICE_PEER_CLOSED', { pid: process.pid }))
  })
})

test('a producer can be waited for until the end of the last stream has been read', async () => {
  const ring = namedRing()
  ring.producer().close()
  expect(() => ring.producer()).toThrow(sluiceError('ERR_SLUICE_STREAM_ENDED'))
  const claiming = ring.claimProducer()
  expect(await ring.consumer().read()).toBeUndefined()
  const producer = await claiming
  expect(producer.tryWrite(bytes('next'))).toBe(true)
})

test('claims that succeed at once let the loop go round', async () => {
  const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
  let turns = 0
  const counting = setInterval(() => turns++)
  for (let i = 0; i < 20_000 && turns < 2; i++) (await ring.claimProducer()).abandon()
  clearInterval(counting)
  expect(turns).toBe(2)
})
