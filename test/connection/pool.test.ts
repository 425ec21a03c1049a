/** A pool hands out each connection to one at a time, loses none, and never a broken one. */
import { setImmediate as turn } from 'node:timers/promises'
import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { ConnectionPool, type Poolable, type PoolOptions, type PoolStats } from '../../lib/index.js'
import { randomNumbers } from '../support/transport_suite/workbench.js'
import { eventually } from '../support/resources.js'
import { sluiceError } from '../support/rings.js'
import { serverKinds } from '../support/server_kinds.js'
import { stress } from '../support/stress.js'

const closed = sluiceError('ERR_SLUICE_CLOSED')
const timedOut = sluiceError('ERR_SLUICE_TIMEOUT')

class Fake implements Poolable {
  closed = false
  users = 0
  used = false
  #tell: () => void = () => undefined
  readonly whenClosed = new Promise<void>((resolve) => {
    this.#tell = resolve
  })

  close(): void {
    this.closed = true
    this.#tell()
  }
}

/** A pool of fakes, and all that it has made. */
function pooled(options: PoolOptions<Fake> = {}): { pool: ConnectionPool<Fake>; made: Fake[] } {
  const made: Fake[] = []
  const pool = new ConnectionPool(() => {
    const fake = new Fake()
    made.push(fake)
    return Promise.resolve(fake)
  }, options)
  onTestFinished(() => {
    pool.close()
  })
  return { pool, made }
}

function addUp(stats: PoolStats, max: number): void {
  expect(stats.open).toBe(stats.idle + stats.inUse + stats.validating)
  expect(stats.open).toBe(stats.created - stats.closed)
  expect(stats.open + stats.creating).toBeLessThanOrEqual(max)
}

test('hands out a connection again when it was released, the last one first', async () => {
  const { pool, made } = pooled({ max: 3 })
  const all = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  expect(new Set(all).size).toBe(3)
  for (const one of all) pool.release(one)
  for (let i = 0; i < 3; i++) {
    const one = await pool.acquire()
    expect(one).toBe(all[2])
    pool.release(one)
  }
  expect(made).toHaveLength(3)
})

test('serves those that wait first in first out, and its counts add up at each step', async () => {
  const { pool } = pooled({ max: 2 })
  const held = [await pool.acquire(), await pool.acquire()]
  const order: number[] = []
  const waiters = Array.from({ length: 20 }, async (_, i) => {
    const connection = await pool.acquire()
    order.push(i)
    addUp(pool.stats(), 2)
    await turn()
    pool.release(connection)
    addUp(pool.stats(), 2)
  })
  expect(pool.stats()).toMatchObject({ open: 2, inUse: 2, waiting: 20, created: 2 })
  for (const one of held) pool.release(one)
  await Promise.all(waiters)
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  expect(pool.stats()).toMatchObject({ open: 2, idle: 2, inUse: 0, waiting: 0, created: 2 })
})

test('10,000 acquires that are aborted at the instant of a release: nothing is lost', async () => {
  const { pool } = pooled({ max: 1 })
  let got = 0
  for (let round = 0; round < 10_000; round++) {
    const held = await pool.acquire()
    const stop = new AbortController()
    const waiting = pool.acquire({ signal: stop.signal }).then(
      (connection) => {
        got++
        pool.release(connection)
      },
      () => undefined,
    )
    if (round % 2 === 0) {
      stop.abort()
      pool.release(held)
    } else {
      pool.release(held)
      stop.abort()
    }
    await waiting
    expect(pool.stats().open).toBe(1)
  }
  expect(got).toBe(5000)
  expect(pool.stats()).toMatchObject({ idle: 1, inUse: 0, waiting: 0, created: 1, closed: 0 })
})

test('creation that fails three times: three tries with pauses, and the others reject by their own time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
  })
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  let tries = 0
  const pool = new ConnectionPool<Fake>(
    () => Promise.reject(new Error(`failure ${String(++tries)}`)),
    { max: 1 },
  )
  onTestFinished(() => {
    pool.close()
  })
  const outcomes = Array.from({ length: 5 }, (_, i) =>
    pool.acquire(i < 3 ? {} : { timeout: 300 }).catch((error: unknown) => (error as Error).message),
  )
  await turn()
  expect(tries).toBe(1)
  for (let i = 0; i < 20; i++) await turn()
  expect(tries).toBe(1) // no loop
  await vi.advanceTimersByTimeAsync(50)
  expect(tries).toBe(2)
  await vi.advanceTimersByTimeAsync(100)
  expect(tries).toBe(3)
  expect(pool.stats()).toMatchObject({ waiting: 2, failed: 3, open: 0, creating: 0 })
  expect(await Promise.all(outcomes.slice(0, 3))).toEqual(['failure 1', 'failure 2', 'failure 3'])
  await vi.advanceTimersByTimeAsync(1000)
  expect(await Promise.all(outcomes.slice(3))).toEqual(
    Array(2).fill('acquire timed out after 300 ms'),
  )
  pool.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('the number of listeners of one signal is constant, however often it is passed', async () => {
  const { pool } = pooled({ max: 1 })
  const { signal } = new AbortController()
  for (let i = 0; i < 100_000; i++) pool.release(await pool.acquire({ signal }))
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('a broken connection is never handed out, and makes room for another', async () => {
  const { pool, made } = pooled({ max: 1 })
  const first = await pool.acquire()
  first.close()
  pool.release(first)
  const second = await pool.acquire()
  expect(second).not.toBe(first)
  pool.release(second)
  second.close() // while it is idle, and before anybody was told
  const third = await pool.acquire()
  expect(third.closed).toBe(false)
  // Closed by its user, who never releases it: those that wait get another.
  const waiting = pool.acquire()
  third.close()
  expect((await waiting).closed).toBe(false)
  pool.release(third) // late, and of no consequence
  expect(made).toHaveLength(4)
  addUp(pool.stats(), 1)
})

test('asks validate before each hand-over, and closes those that are not good', async () => {
  const answers: (boolean | Error)[] = [true, false, true, new Error('broken')]
  const { pool, made } = pooled({
    max: 1,
    validate: () => {
      const answer = answers.shift() ?? true
      if (answer instanceof Error) throw answer
      return Promise.resolve(answer)
    },
  })
  pool.release(await pool.acquire())
  expect(made).toHaveLength(1)
  const good = await pool.acquire()
  expect(good).toBe(made[1])
  pool.release(good)
  const next = await pool.acquire()
  expect(next).toBe(made[2])
  expect(made.map((fake) => fake.closed)).toEqual([true, true, false])
  addUp(pool.stats(), 1)
})

test.each<[string, PoolOptions<Fake>, boolean]>([
  ['that validate refuses', { validate: () => false }, false],
  ['that are closed already', {}, true],
])(
  'connections %s as soon as they are made are failures: no loop',
  async (_, options, isClosed) => {
    let made = 0
    const pool = new ConnectionPool(() => {
      made++
      const fake = new Fake()
      if (isClosed) fake.close()
      return Promise.resolve(fake)
    }, options)
    await expect(pool.acquire()).rejects.toEqual(closed)
    for (let i = 0; i < 20; i++) await turn()
    expect(made).toBe(1)
    addUp(pool.stats(), 10)
    pool.close()
  },
)

test('closes connections that are idle for long, but not below min', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const { pool } = pooled({ min: 1, max: 3, idleTimeout: 1000 })
  const all = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  pool.release(all[0])
  await vi.advanceTimersByTimeAsync(600)
  pool.release(all[1])
  pool.release(all[2])
  await vi.advanceTimersByTimeAsync(600)
  expect(pool.stats().open).toBe(2)
  await vi.advanceTimersByTimeAsync(1000)
  expect(pool.stats()).toMatchObject({ open: 1, idle: 1 })
  await vi.advanceTimersByTimeAsync(100_000)
  expect(pool.stats().open).toBe(1)
})

test('opens min at once, and again when they close', async () => {
  const { pool, made } = pooled({ min: 2, max: 3 })
  await eventually(() => pool.stats().idle === 2)
  made[0]?.close()
  await eventually(() => made.length === 3)
  await eventually(() => pool.stats().idle === 2)
  addUp(pool.stats(), 3)
})

test('use gives back, and closes a connection whose call has failed', async () => {
  const { pool } = pooled({ max: 1 })
  expect(await pool.use(() => 5)).toBe(5)
  const failure = new Error('mine')
  await expect(pool.use(() => Promise.reject(failure))).rejects.toBe(failure)
  expect(pool.stats()).toMatchObject({ open: 0, inUse: 0, created: 1, closed: 1 })
})

test('releasing what was not acquired is an error', async () => {
  const { pool } = pooled()
  const wrong = sluiceError('ERR_SLUICE_INVALID_STATE')
  expect(() => {
    pool.release(new Fake())
  }).toThrow(wrong)
  const one = await pool.acquire()
  pool.release(one)
  expect(() => {
    pool.release(one)
  }).toThrow(wrong)
})

test('drain serves who waits, then closes; nobody else is served', async () => {
  const { pool, made } = pooled({ max: 1 })
  const held = await pool.acquire()
  const waiting = pool.acquire()
  const drained = pool.drain()
  await expect(pool.acquire()).rejects.toEqual(closed)
  await expect(pool.drain({ timeout: 5 })).rejects.toEqual(timedOut)
  pool.release(held)
  pool.release(await waiting)
  await drained
  expect(made.every((fake) => fake.closed)).toBe(true)
  expect(pool.stats()).toMatchObject({ open: 0, inUse: 0, idle: 0, creating: 0 })
  await pool.drain()
})

test('close ends all at once: those that wait, connections in use and in the making', async () => {
  const { pool, made } = pooled({ max: 1 })
  const held = await pool.acquire()
  const waiting = pool.acquire()
  pool.close()
  await expect(waiting).rejects.toEqual(closed)
  await expect(pool.acquire()).rejects.toEqual(closed)
  expect(held.closed).toBe(true)
  pool.release(held)
  const late = pooled()
  const acquiring = late.pool.acquire()
  late.pool.close()
  await expect(acquiring).rejects.toEqual(closed)
  await turn()
  expect([...made, ...late.made].every((fake) => fake.closed)).toBe(true)
  expect(pool.stats()).toMatchObject({ open: 0, created: 1, closed: 1 })
})

test('those that wait are bounded', async () => {
  const { pool } = pooled({ max: 1 })
  await pool.acquire()
  const waiting = Array.from({ length: 1024 }, () => pool.acquire().catch(() => undefined))
  await expect(pool.acquire()).rejects.toEqual(sluiceError('ERR_SLUICE_QUEUE_FULL'))
  pool.close()
  await Promise.all(waiting)
})

test.each<[string, unknown, unknown]>([
  ['no function', 1, {}],
  ['an unknown option', () => undefined, { most: 1 }],
  ['a max of 0', () => undefined, { max: 0 }],
  ['a min above max', () => undefined, { min: 3, max: 2 }],
  ['an idleTimeout that no timer takes', () => undefined, { idleTimeout: 2 ** 31 }],
  ['an acquireTimeout that is none', () => undefined, { acquireTimeout: -1 }],
  ['a validate that is none', () => undefined, { validate: 1 }],
])('is not made of: %s', (_, connect, options) => {
  expect(() => new ConnectionPool(connect as never, options as never)).toThrow(
    sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
  )
})

const rounds = stress({ short: 100_000, full: 100_000, long: 2_000_000 })

test(`${String(rounds)} acquires, with random aborts, deaths and failures: all is accounted for`, async () => {
  const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000)
  const random = randomNumbers(seed)
  const max = 5
  const made: Fake[] = []
  const pool = new ConnectionPool(
    async () => {
      if (random(4) === 0) await turn()
      const fake = new Fake()
      made.push(fake)
      return fake
    },
    { max, validate: (fake) => !fake.used || random(50) !== 0 },
  )
  const failures: string[] = []
  let acquired = 0
  let aborts = 0
  const worker = async () => {
    for (let i = 0; i < rounds / 50; i++) {
      const stop = new AbortController()
      const acquiring = pool.acquire({ signal: stop.signal })
      if (random(3) === 0) stop.abort()
      if (random(10) === 0)
        queueMicrotask(() => {
          stop.abort()
        })
      let connection: Fake
      try {
        connection = await acquiring
      } catch (error) {
        if (error !== stop.signal.reason) failures.push(String(error))
        aborts++
        continue
      }
      acquired++
      if (connection.closed) failures.push('a broken connection')
      if (++connection.users !== 1) failures.push('two users at once')
      if (random(3) === 0) await Promise.resolve()
      if (random(500) === 0) await turn()
      connection.users--
      connection.used = true
      if (random(100) === 0) connection.close()
      pool.release(connection)
      const { open, idle, inUse, validating, creating } = pool.stats()
      if (open !== idle + inUse + validating || open + creating > max) failures.push('counts')
    }
  }
  await Promise.all(Array.from({ length: 50 }, worker))
  expect({ seed, failures }).toEqual({ seed, failures: [] })
  expect(acquired + aborts).toBe(rounds)
  await pool.drain()
  expect({ seed, ...pool.stats() }).toMatchObject({
    seed,
    open: 0,
    waiting: 0,
    created: made.length,
    closed: made.length,
  })
  expect(made.every((fake) => fake.closed)).toBe(true)
}, 300_000)

describe.each(serverKinds)('a pool of connections %s', (_, kind) => {
  test('lets go of those whose server closes them while they are idle', async () => {
    const address = kind.address()
    const server = await kind.listen(address)
    const pool = new ConnectionPool(() => kind.connect(address), { max: 2 })
    onTestFinished(() => {
      pool.close()
      server.close()
    })
    const [connection, accepted] = await Promise.all([pool.acquire(), server.accept()])
    await connection.send(Buffer.from('x'))
    await accepted.receive()
    pool.release(connection)
    expect(pool.stats()).toMatchObject({ open: 1, idle: 1 })
    accepted.destroy()
    const [next, other] = await Promise.all([
      (async () => {
        if (kind === serverKinds[1][1]) await eventually(() => pool.stats().idle === 0)
        else connection.destroy()
        return pool.acquire()
      })(),
      server.accept(),
    ])
    expect(next).not.toBe(connection)
    await next.send(Buffer.from('y'))
    expect(String((await other.receive())?.data)).toBe('y')
    other.destroy()
    pool.release(next)
  })
})
