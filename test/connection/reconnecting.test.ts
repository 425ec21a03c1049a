/** A connection that is made again: what is kept, what is told, when it is tried. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'

import {
  isRetryable,
  ReconnectingConnection,
  SluiceError,
  type ReconnectOptions,
  type Retry,
} from '../../lib/index.js'
import { FakeConnection } from '../support/message_connections.js'
import { sluiceError } from '../support/rings.js'
import { randomNumbers } from '../support/transport_suite/workbench.js'
import { uncaughtExceptions } from '../support/uncaught.js'

const refused = () => new SluiceError('ECONNREFUSED', 'nobody listens', { syscall: 'connect' })
const reset = () => new SluiceError('ECONNRESET', 'the peer has gone', { syscall: 'read' })
const disconnected = sluiceError('ERR_SLUICE_DISCONNECTED')
const unreachable = sluiceError('ERR_SLUICE_UNREACHABLE')
const closed = sluiceError('ERR_SLUICE_CLOSED')

test.each([
  ['ECONNREFUSED', true],
  ['ENOENT', true],
  ['EPIPE', true],
  ['ECONNRESET', true],
  ['EMFILE', true],
  ['ERR_SLUICE_TIMEOUT', true],
  ['ERR_SLUICE_PEER_DIED', true],
  ['ERR_SLUICE_DISCONNECTED', true],
  ['ERR_SLUICE_MESSAGE_TRUNCATED', true],
  ['EACCES', false],
  ['EPROTOTYPE', false],
  ['ERR_SLUICE_CLOSED', false],
  ['ERR_SLUICE_CORRUPT', false],
  ['ERR_SLUICE_INVALID_ARGUMENT', false],
  ['ERR_SLUICE_REJECTED', false],
  ['ERR_SLUICE_UNREACHABLE', false],
] as const)('whether %s can be retried: %s', (code, expected) => {
  expect(isRetryable(new SluiceError(code, 'x'))).toBe(expected)
  expect(isRetryable(Object.assign(new Error('of Node'), { code }))).toBe(expected)
})

test.each([undefined, null, 'ECONNREFUSED', { code: 'ECONNREFUSED' }, new Error('x'), 5])(
  'what is no error with a known code cannot: %s',
  (value) => {
    expect(isRetryable(value)).toBe(false)
  },
)

/** Made by hand: each call of `connect` is settled by the test. */
function byHand(options: ReconnectOptions = {}) {
  const made: FakeConnection[] = []
  const outcomes: (Error | undefined)[] = []
  let tries = 0
  const connection = new ReconnectingConnection<string>(() => {
    tries++
    const failure = outcomes.shift()
    if (failure !== undefined) return Promise.reject(failure)
    const fake = new FakeConnection()
    made.push(fake)
    return Promise.resolve(fake)
  }, options)
  onTestFinished(() => {
    connection.close()
  })
  const current = () => {
    const fake = made.at(-1)
    if (fake === undefined) throw new Error('none was made')
    return fake
  }
  return { connection, made, current, failNext: outcomes, tries: () => tries }
}

const settle = async () => {
  for (let i = 0; i < 5; i++) await turn()
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('messages', () => {
  test('are kept while there is no connection, and sent in order when there is', async () => {
    const { connection, current } = byHand()
    const sends = ['a', 'b', 'c'].map((message) => connection.send(message))
    expect(connection.stats()).toMatchObject({ connected: false, queuedMessages: 3 })
    await Promise.all(sends)
    expect(current().sent).toEqual(['a', 'b', 'c'])
    expect(connection.stats()).toMatchObject({ connected: true, queuedMessages: 0, connects: 1 })
    connection.close()
  })

  test('one that was under way is told as such and not sent again; those behind it are sent', async () => {
    const { connection, current, made } = byHand()
    await connection.whenConnected()
    current().holds = true
    const first = connection.send('first')
    const others = ['second', 'third'].map((message) => connection.send(message))
    await settle()
    expect(connection.stats().queuedMessages).toBe(2)
    current().fail(reset())
    await expect(first).rejects.toEqual(disconnected)
    await vi.advanceTimersByTimeAsync(100)
    await Promise.all(others)
    expect(made).toHaveLength(2)
    expect(made.map(({ sent }) => sent)).toEqual([[], ['second', 'third']])
    connection.close()
  })

  test('a send that the connection refuses fails alone', async () => {
    const { connection, current } = byHand()
    await connection.whenConnected()
    const tooLong = new SluiceError('ERR_SLUICE_MESSAGE_TOO_LONG', 'too long')
    vi.spyOn(current(), 'send').mockRejectedValueOnce(tooLong)
    const [first, second] = [connection.send('long'), connection.send('short')]
    await expect(first).rejects.toBe(tooLong)
    await second
    expect(connection.connected).toBe(true)
    connection.close()
  })

  test('a send can be cancelled while it waits and while it is under way', async () => {
    const { connection, current } = byHand()
    const stop = new AbortController()
    const reason = new Error('enough')
    const waiting = connection.send('never', { signal: stop.signal })
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await connection.whenConnected()
    current().holds = true
    const later = new AbortController()
    const underWay = connection.send('never either', { signal: later.signal })
    const timed = connection.send('nor this', { timeout: 10 })
    await settle()
    later.abort(reason)
    await expect(underWay).rejects.toBe(reason)
    await settle()
    vi.advanceTimersByTime(10)
    await expect(timed).rejects.toEqual(sluiceError('ERR_SLUICE_TIMEOUT'))
    current().holds = false
    await connection.send('this')
    expect(current().sent).toEqual(['this'])
    connection.close()
  })

  test('that wait are bounded, by number and by bytes', async () => {
    const never = () => new Promise<never>(() => undefined)
    const few = new ReconnectingConnection<string>(never, { maxQueuedMessages: 2 })
    const waiting = [few.send('a'), few.send('b')].map((send) => send.catch(() => 'closed'))
    await expect(few.send('c')).rejects.toEqual(sluiceError('ERR_SLUICE_QUEUE_FULL'))
    few.close()
    expect(await Promise.all(waiting)).toEqual(['closed', 'closed'])
    const small = new ReconnectingConnection(never, { maxQueuedBytes: 10 })
    const large = small.send(Buffer.alloc(100)).catch(() => 'closed') // alone it may be longer
    await expect(small.send(Buffer.alloc(1))).rejects.toEqual(sluiceError('ERR_SLUICE_QUEUE_FULL'))
    expect(small.stats()).toMatchObject({ queuedMessages: 1, queuedBytes: 100 })
    small.close()
    expect(await large).toBe('closed')
  })

  test('a receive waits through a disconnect, and one that is cancelled loses nothing', async () => {
    const { connection, current } = byHand()
    await connection.whenConnected()
    const stop = new AbortController()
    const cancelled = connection.receive({ signal: stop.signal }).catch(() => 'cancelled')
    stop.abort()
    current().deliver('first')
    expect(await cancelled).toBe('cancelled')
    expect(await connection.receive()).toBe('first')
    const second = connection.receive()
    await settle()
    current().fail(reset())
    await vi.advanceTimersByTimeAsync(100)
    await settle()
    current().deliver('second')
    expect(await second).toBe('second')
    connection.close()
  })

  test('the end of the peer is a disconnect, and the iteration goes on behind it', async () => {
    const { connection, current, made } = byHand()
    const seen: string[] = []
    const iteration = (async () => {
      for await (const message of connection) {
        seen.push(message)
        if (message === 'last') connection.close()
      }
    })()
    await settle()
    current().deliver('a')
    current().deliver(undefined)
    await settle()
    await vi.advanceTimersByTimeAsync(100)
    await settle()
    current().deliver('last')
    await iteration
    expect(seen).toEqual(['a', 'last'])
    expect(made).toHaveLength(2)
  })
})

describe('the end', () => {
  test('comes after maxRetries: all that waits rejects, with the cause', async () => {
    const { connection, failNext, tries } = byHand({ maxRetries: 2 })
    failNext.push(refused(), refused(), refused())
    connection.close()
    const other = new ReconnectingConnection<string>(() => Promise.reject(refused()), {
      maxRetries: 2,
    })
    const waiting = [other.send('x'), other.receive(), other.whenConnected()]
    const outcomes = Promise.allSettled(waiting)
    await vi.advanceTimersByTimeAsync(1000)
    for (const outcome of await outcomes) {
      expect(outcome).toEqual({ status: 'rejected', reason: unreachable })
    }
    const failure = await other.whenClosed
    expect(failure).toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    expect(failure?.message).toContain('after 2 retries')
    expect(other.closed).toBe(true)
    await expect(other.send('y')).rejects.toBe(failure)
    await expect(other.receive()).rejects.toBe(failure)
    expect(tries()).toBe(1)
  })

  test('comes at once for a failure that is final', async () => {
    const denied = new SluiceError('EACCES', 'not for you', { syscall: 'connect' })
    const connect = vi.fn(() => Promise.reject(denied))
    const connection = new ReconnectingConnection<string>(connect)
    await expect(connection.whenConnected()).rejects.toEqual(unreachable)
    expect(connect).toHaveBeenCalledTimes(1)
    expect(await connection.whenClosed).toMatchObject({ cause: denied })
    await expect(
      (async () => {
        for await (const message of connection) expect(message).toBe('none')
      })(),
    ).rejects.toEqual(unreachable)
  })

  test('is close: everything that waits rejects, and a connection in the making is closed', async () => {
    let resolve: (connection: FakeConnection) => void = () => undefined
    let signal: AbortSignal | undefined
    const connection = new ReconnectingConnection<string>((options) => {
      signal = options.signal
      return new Promise((made) => {
        resolve = made
      })
    })
    const waiting = [connection.send('x'), connection.receive(), connection.whenConnected()]
    connection.close()
    connection.close()
    for (const one of waiting) await expect(one).rejects.toEqual(closed)
    expect(signal?.aborted).toBe(true)
    const late = new FakeConnection()
    resolve(late)
    await settle()
    expect(late.closed).toBe(true)
    expect(await connection.whenClosed).toBeUndefined()
    await expect(connection.send('y')).rejects.toEqual(closed)
  })

  test('is a signal, or abort, with its reason', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const { connection } = byHand({ signal: stop.signal })
    const receiving = connection.receive()
    stop.abort(reason)
    await expect(receiving).rejects.toBe(reason)
    expect(await connection.whenClosed).toBe(reason)
    const before = byHand({ signal: AbortSignal.abort(reason) })
    expect(before.connection.closed).toBe(true)
    expect(before.tries()).toBe(0)
  })
})

describe('retries', () => {
  test('are told, with the connections between them', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const events: unknown[] = []
    const { connection, current, failNext } = byHand({ initialDelay: 100, maxDelay: 300 })
    connection.on('connect', () => events.push('connect'))
    connection.on('disconnect', (error) => events.push(['disconnect', error]))
    connection.on('retry', ({ attempt, delay }: Retry) => events.push([attempt, delay]))
    await connection.whenConnected()
    failNext.push(refused(), refused(), refused())
    const lost = reset()
    current().fail(lost)
    await settle()
    await vi.advanceTimersByTimeAsync(1000)
    await connection.whenConnected()
    expect(events).toEqual([
      'connect',
      ['disconnect', lost],
      [1, 50],
      [2, 100],
      [3, 150],
      [4, 150],
      'connect',
    ])
    connection.close()
  })

  test('are quick again only when a connection stood for a healthy time', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const delays: number[] = []
    const options = { initialDelay: 100, maxDelay: 1e6, healthyAfter: 5000 }
    const { connection, current } = byHand(options)
    connection.on('retry', ({ delay }) => delays.push(delay))
    // A server that takes it in and closes it.
    for (let i = 0; i < 4; i++) {
      await connection.whenConnected()
      await vi.advanceTimersByTimeAsync(4999)
      current().fail(reset())
      await settle()
      await vi.advanceTimersByTimeAsync(delays.at(-1) ?? NaN)
    }
    expect(delays).toEqual([100, 200, 400, 800])
    await connection.whenConnected()
    expect(connection.stats().retries).toBe(4)
    await vi.advanceTimersByTimeAsync(5000)
    current().fail(reset())
    await settle()
    expect(delays.at(-1)).toBe(100)
    expect(connection.stats().retries).toBe(1)
    connection.close()
  })

  test('of 1,000 clients after a restart are spread, the first as well, and none is later than its cap', async () => {
    const random = randomNumbers(7)
    vi.spyOn(Math, 'random').mockImplementation(() => random(2 ** 30) / 2 ** 30)
    const clients = 1000
    let up = true
    const fakes: FakeConnection[] = []
    const delays: number[][] = Array.from({ length: clients }, () => [])
    const connections = delays.map((own) => {
      const connection = new ReconnectingConnection<string>(
        () => {
          if (!up) return Promise.reject(refused())
          const fake = new FakeConnection()
          fakes.push(fake)
          return Promise.resolve(fake)
        },
        { initialDelay: 1000, maxDelay: 4000 },
      )
      connection.on('retry', ({ delay }) => own.push(delay))
      return connection
    })
    await settle()
    await vi.advanceTimersByTimeAsync(10_000)
    up = false
    for (const fake of fakes.splice(0)) fake.fail(reset())
    await settle()
    // A turn for each step, and not for each of the timers.
    const pass = async (milliseconds: number) => {
      for (let passed = 0; passed < milliseconds; passed += 100) {
        vi.advanceTimersByTime(100)
        await turn()
      }
    }
    await pass(11_000)
    const caps = [1000, 2000, 4000, 4000]
    for (const [attempt, cap] of caps.entries()) {
      const tenths = Array<number>(10).fill(0)
      for (const own of delays) {
        const delay = own[attempt] ?? NaN
        expect(delay).toBeLessThanOrEqual(cap)
        const tenth = Math.floor((delay / cap) * 10)
        tenths[tenth] = (tenths[tenth] ?? 0) + 1
      }
      // A tenth of them in each tenth of the time, more or less: no more than 150 of 1,000.
      expect(Math.max(...tenths)).toBeLessThan(150)
      expect(Math.min(...tenths)).toBeGreaterThan(50)
    }
    up = true
    await pass(4000)
    expect(connections.every(({ connected }) => connected)).toBe(true)
    for (const connection of connections) connection.close()
  }, 300_000)

  test('a listener that throws does not keep the connection from being made again', async () => {
    const { connection, current } = byHand()
    await connection.whenConnected()
    const thrown = uncaughtExceptions()
    const failure = new Error('mine')
    connection.on('disconnect', () => {
      throw failure
    })
    current().fail(reset())
    await settle()
    await vi.advanceTimersByTimeAsync(100)
    await connection.whenConnected()
    expect(thrown).toEqual([failure])
    connection.close()
  })
})

test.each<[string, unknown, unknown]>([
  ['no function', 1, {}],
  ['an unknown option', () => undefined, { retries: 1 }],
  ['an initialDelay of 0', () => undefined, { initialDelay: 0 }],
  ['a maxDelay below initialDelay', () => undefined, { initialDelay: 10, maxDelay: 5 }],
  ['a factor below 1', () => undefined, { factor: 0.5 }],
  ['a jitter that is none', () => undefined, { jitter: 1 }],
  ['a maxRetries below 0', () => undefined, { maxRetries: -1 }],
  ['a healthyAfter that no timer takes', () => undefined, { healthyAfter: 2 ** 31 }],
  ['a queue of nothing', () => undefined, { maxQueuedMessages: 0 }],
  ['a signal that is none', () => undefined, { signal: {} }],
])('is not made of: %s', (_, connect, options) => {
  expect(() => new ReconnectingConnection(connect as never, options as never)).toThrow(
    sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
  )
})
