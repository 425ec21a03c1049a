/** Connections by an address that last: `connect` with `reconnect`, and pools of an address. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'

import {
  connect,
  ConnectionPool,
  framed,
  isRetryable,
  listen,
  ReconnectingConnection,
} from '../../lib/index.js'
import { addressOf, findPorts, schemes } from '../support/address_transports.js'
import { FakeConnection } from '../support/message_connections.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
const timedOut = sluiceError('ERR_SLUICE_TIMEOUT')
const soon = { initialDelay: 5, maxDelay: 5 }

await findPorts(8)

describe.each(schemes)('%s', (scheme) => {
  test('a connection that is lost is made again, with its codec', async () => {
    const address = addressOf(scheme)
    const first = await listen(address)
    const connection = closedAfterTest(
      await connect<{ n: number }>(address, { reconnect: soon, framed: { codec: 'json' } }),
    )
    const accepted = framed<{ n: number }>(await first.accept(), { codec: 'json' })
    await connection.send({ n: 1 })
    expect(await accepted.receive()).toEqual({ n: 1 })
    const next = connection.receive() // over TCP only who reads sees the end
    first.close()
    accepted.close()
    const [error] = (await once(connection, 'disconnect')) as [unknown]
    expect(error === undefined || isRetryable(error)).toBe(true)
    const second = closedAfterTest(await listen(address))
    await connection.send({ n: 2 })
    const again = closedAfterTest(framed<{ n: number }>(await second.accept(), { codec: 'json' }))
    expect(await again.receive()).toEqual({ n: 2 })
    await again.send({ n: 3 })
    expect(await next).toEqual({ n: 3 })
    expect(connection.stats().connects).toBe(2)
  })

  test('a pool takes the address', async () => {
    const server = closedAfterTest(await listen(addressOf(scheme)))
    const pool = closedAfterTest(new ConnectionPool(server.address, { max: 1 }))
    const accepting = server.accept()
    await pool.use((connection) => connection.send(Buffer.from('hello')))
    const accepted = closedAfterTest(await accepting)
    expect(String((await accepted.receive())?.data)).toBe('hello')
    await pool.drain()
    expect(pool.stats()).toMatchObject({ open: 0, created: 1 })
  })
})

describe('nobody listens', () => {
  const nobody = () => addressOf('pipe:')

  test('it waits for the first connection, as long as it is told to', async () => {
    const address = nobody()
    const reconnect = { ...soon, maxDelay: 5 }
    await expect(connect(address, { reconnect, timeout: 50 })).rejects.toThrow(timedOut)
    const connecting = connect(address, { reconnect, timeout: 60_000 })
    closedAfterTest(await listen(address))
    closedAfterTest(await connecting)
  })

  test('the signal ends the wait, before and while it lasts, and nothing after it', async () => {
    const address = nobody()
    const controller = new AbortController()
    const connecting = connect(address, { reconnect: soon, signal: controller.signal })
    controller.abort('enough')
    await expect(connecting).rejects.toBe('enough')
    const { signal } = controller
    await expect(connect(address, { reconnect: soon, signal })).rejects.toBe('enough')

    closedAfterTest(await listen(address))
    const later = new AbortController()
    const connection = closedAfterTest(
      await connect(address, { reconnect: soon, signal: later.signal }),
    )
    later.abort()
    expect(connection.closed).toBe(false)
    expect(connection.connected).toBe(true)
  })

  test('it gives up as it is told to', async () => {
    const connecting = connect(nobody(), { reconnect: { ...soon, maxRetries: 2 } })
    await expect(connecting).rejects.toThrow(
      sluiceError('ERR_SLUICE_UNREACHABLE', { cause: expect.any(Error) as Error }),
    )
  })

  test('a reason of its own ends it later, too', async () => {
    const address = nobody()
    closedAfterTest(await listen(address))
    const life = new AbortController()
    const connection = closedAfterTest(
      await connect(address, { reconnect: { ...soon, signal: life.signal } }),
    )
    life.abort(new Error('the program ends'))
    expect((await connection.whenClosed)?.message).toBe('the program ends')
  })
})

describe('wrong arguments are told at once', () => {
  const reconnect = {}
  test.each([
    ['options of framed alone', { framed: { codec: 'json' } }, 'options.framed'],
    ['no options', { reconnect: 5 }, 'options.reconnect must be an object'],
    ['an unknown option', { reconnect: { tries: 5 } }, 'options.reconnect.tries'],
    ['a codec', { reconnect, framed: { codec: 'xml' } }, 'codec'],
    ['a length', { reconnect, framed: { maxLength: 0 } }, 'options.framed.maxLength'],
    ['an option of messages', { reconnect, framed: { lines: true } }, 'options.framed.lines'],
    ['a timeout', { reconnect, timeout: -1 }, 'timeout'],
    [
      'an attempt without time',
      { reconnect: { connectTimeout: 0 } },
      'options.reconnect.connectTimeout',
    ],
    ['an option of another transport', { reconnect, noDelay: true }, 'options.noDelay is of tcp:'],
  ])('%s', (_, options, message) => {
    const call = () => connect(addressOf('pipe:'), options as never)
    expect(call).toThrow(wrong)
    expect(call).toThrow(message)
  })

  test('of the transport, although its first attempt finds them', async () => {
    const options = { reconnect, highWaterMark: -1 }
    await expect(connect(addressOf('pipe:'), options)).rejects.toThrow(wrong)
  })

  test.each([
    ['an address', 'smh:app', 'shm'],
    ['neither address nor function', 5, 'target must be an address or a function'],
    ['nothing', undefined, 'target must be an address or a function'],
  ])('a pool of %s', (_, target, message) => {
    const make = () => new ConnectionPool(target as never)
    expect(make).toThrow(wrong)
    expect(make).toThrow(message)
  })
})

test('a message that cannot be decoded is told, and the next one comes over the same connection', async () => {
  const server = closedAfterTest(await listen(addressOf('pipe:')))
  const connecting = connect(server.address, { reconnect: soon, framed: { codec: 'json' } })
  const raw = closedAfterTest(framed(await server.accept()))
  const connection = closedAfterTest(await connecting)
  await raw.sendMany([Buffer.from('{'), Buffer.from('5')])
  await expect(connection.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_MESSAGE_INVALID'))
  expect(await connection.receive()).toBe(5)
  expect(connection.stats().connects).toBe(1)
})

test('a connection that was lost in the middle of a message is made again', async () => {
  const server = closedAfterTest(await listen(addressOf('pipe:')))
  const connecting = connect(server.address, { reconnect: soon })
  const first = await server.accept()
  const connection = closedAfterTest(await connecting)
  const message = connection.receive()
  await first.send(Buffer.from([0, 0, 0, 9, 1, 2, 3]))
  first.destroy()
  const second = closedAfterTest(framed(await server.accept()))
  await second.send(Buffer.from('whole'))
  expect(String(await message)).toBe('whole')
})

describe.each([
  ['a stream, which has no messages', () => new PassThrough()],
  ['nothing', () => undefined],
  ['text', () => 's'],
])('a function that brings %s', (_, make) => {
  test('ends a lasting connection, and says why', async () => {
    const connection = new ReconnectingConnection(() => Promise.resolve(make() as never))
    await expect(connection.whenConnected()).rejects.toThrow(
      sluiceError('ERR_SLUICE_UNREACHABLE', { cause: wrong }),
    )
  })

  test('fails those that ask a pool', async () => {
    const pool = closedAfterTest(new ConnectionPool(() => Promise.resolve(make() as never)))
    const acquired = pool.acquire()
    if (make() instanceof PassThrough) await expect(acquired).rejects.toThrow('close')
    else await expect(acquired).rejects.toThrow(wrong)
  })
})

describe('a function that brings nothing', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** Made by the test, whatever the signal says. */
  function stubborn() {
    const signals: AbortSignal[] = []
    const waiting: ((made: FakeConnection) => void)[] = []
    const make = ({ signal }: { signal: AbortSignal }) => {
      signals.push(signal)
      return new Promise<FakeConnection>((resolve) => waiting.push(resolve))
    }
    return { make, signals, waiting }
  }

  test('is asked again by a connection, and what it brings later is closed', async () => {
    const { make, signals, waiting } = stubborn()
    const connection = new ReconnectingConnection<string>(make, { ...soon, connectTimeout: 100 })
    onTestFinished(() => {
      connection.close()
    })
    const retried = once(connection, 'retry')
    await vi.advanceTimersByTimeAsync(100)
    expect(await retried).toMatchObject([{ attempt: 1, error: timedOut }])
    expect(signals[0]?.reason).toEqual(timedOut)
    await vi.advanceTimersByTimeAsync(5)
    expect(waiting.length).toBe(2)
    const [late, right] = [new FakeConnection(), new FakeConnection()]
    waiting[1]?.(right)
    waiting[0]?.(late)
    await connection.whenConnected()
    expect([late.closed, right.closed]).toEqual([true, false])
    expect(connection.stats().connects).toBe(1)
  })

  test('does not take the place of others in a pool', async () => {
    const { make, waiting } = stubborn()
    const pool = new ConnectionPool<FakeConnection>(make, { max: 1, connectTimeout: 100 })
    onTestFinished(() => {
      pool.close()
    })
    const refused = expect(pool.acquire()).rejects.toThrow(timedOut)
    await vi.advanceTimersByTimeAsync(100)
    await refused
    const next = pool.acquire()
    await vi.advanceTimersByTimeAsync(99)
    expect(waiting.length).toBe(2)
    const [late, right] = [new FakeConnection(), new FakeConnection()]
    waiting[0]?.(late)
    waiting[1]?.(right)
    expect(await next).toBe(right)
    expect(late.closed).toBe(true)
    expect(pool.stats()).toMatchObject({ open: 1, creating: 0, failed: 1 })
  })

  test('is let go of at once by a close', async () => {
    const { make, signals, waiting } = stubborn()
    const connection = new ReconnectingConnection<string>(make)
    connection.close()
    await connection.whenClosed
    expect(signals[0]?.aborted).toBe(true)
    const late = new FakeConnection()
    waiting[0]?.(late)
    await late.whenClosed
  })
})
