/** The process at the other end is killed: real processes, and SIGKILL. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { Child } from '../child.js'
import { eventually, holdsNoMoreThan, resources } from '../resources.js'
import { stress } from '../stress.js'
import type { RemoteSide, TestedConnection } from './transport_under_test.js'
import {
  closeOf,
  failureOf,
  fill,
  ignoreErrors,
  outcomeOf,
  randomNumbers,
  received,
  codeOf,
  testIf,
  type Workbench,
} from './workbench.js'

const rounds = stress({ short: 3, full: 10, long: 1000 })

async function kill(child: Child): Promise<void> {
  child.kill('SIGKILL')
  await child.exited
}

export function deaths(bench: Workbench, remote: RemoteSide): void {
  const { goneCodes, deathCode, knowsPeerProcess, knowsPeer = true } = bench.transport
  const { keepsBoundaries, halfClose, server } = bench.transport

  /** The next message; undefined when the peer's death is told. */
  const receivedOrEnd = async (connection: TestedConnection) => {
    try {
      return await connection.receive()
    } catch (error) {
      expect(codeOf(error)).toBe(deathCode)
      return undefined
    }
  }

  describe('a peer in another process', () => {
    test('exchanges messages, and both know who the other is', async () => {
      const { connection, child } = await bench.pairWithProcess()
      const receiving = child.ask(['receive'])
      await connection.send(Buffer.from('question'))
      expect(await receiving).toEqual({ value: 'question' })
      child.say(['send', 'answer'])
      expect(await received(connection)).toBe('answer')
      expect(await child.next()).toEqual({ value: null })
      expect(connection.peer.sameUser).toBe(knowsPeer)
      if (server !== undefined && knowsPeerProcess) {
        expect(connection.peer.pid).toBe(child.pid)
        expect(await child.ask(['peer'])).toEqual({ value: { pid: process.pid, sameUser: true } })
      }
      connection.destroy()
      // The facts about the peer stay known.
      expect(connection.peer.sameUser).toBe(knowsPeer)
      child.hangUp()
      await child.finish()
    })
  })

  /** The `receive` behind everything that the dead peer had sent. */
  const expectEnd = async (receiving: Promise<unknown>) => {
    if (deathCode === undefined) expect(await receiving).toBeUndefined()
    else await expect(receiving).rejects.toMatchObject({ code: deathCode })
  }

  describe('a peer that was killed', () => {
    test('is the end for a receive that waits', async () => {
      const { connection, child } = await bench.pairWithProcess()
      const waiting = expectEnd(connection.receive())
      await kill(child)
      await waiting
      await expectEnd(connection.receive())
    })

    test('is the end after what it had sent', async () => {
      const { connection, child } = await bench.pairWithProcess()
      await child.ask(['send', 'last words'])
      await kill(child)
      expect(await received(connection)).toBe('last words')
      await expectEnd(connection.receive())
    })

    test('ends a stream that is read, and closes it', async () => {
      const { connection, child } = await bench.pairWithProcess()
      await child.ask(['send', 'last words'])
      const events: string[] = []
      connection.on('data', (chunk: Buffer) => events.push(chunk.toString()))
      for (const name of ['end', 'error', 'close']) connection.on(name, () => events.push(name))
      await kill(child)
      await closeOf(connection)
      const end = deathCode === undefined ? 'end' : 'error'
      expect(events).toEqual(['last words', end, 'close'])
    })

    test('fails sends that wait for it', async () => {
      const { connection, child } = await bench.pairWithProcess()
      ignoreErrors(connection)
      await fill(connection)
      const sends = ['x', 'y'].map((letter) => failureOf(connection.send(Buffer.from(letter))))
      await kill(child)
      for (const failure of await Promise.all(sends)) {
        expect(failure.name).toBe('SluiceError')
        expect(goneCodes).toContain(codeOf(failure))
      }
      await closeOf(connection)
    })

    test('is an error for a stream that writes', async () => {
      const { connection, child } = await bench.pairWithProcess()
      const failed = new Promise<unknown>((resolve) => connection.once('error', resolve))
      await fill(connection)
      await kill(child)
      expect(goneCodes).toContain(codeOf(await failed))
      await closeOf(connection)
    })

    testIf(halfClose)('closes a connection that has ended and that nobody reads', async () => {
      const { connection, child } = await bench.pairWithProcess()
      ignoreErrors(connection).end()
      await once(connection, 'finish')
      await kill(child)
      await closeOf(connection)
    })

    test('that had unread bytes closes a connection that is read', async () => {
      const { connection, child } = await bench.pairWithProcess()
      await connection.send(Buffer.from('never read'))
      const waiting = outcomeOf(connection.receive())
      await kill(child)
      // A socket tells of a reset when bytes of its own were never read.
      const outcome = await waiting
      if (outcome.status === 'rejected') expect(goneCodes).toContain(codeOf(outcome.reason))
      else expect(outcome.value).toBeUndefined()
      await closeOf(connection)
    })

    test(`${String(rounds)} times in the middle of what it sends: what came is whole and in order`, async () => {
      const random = randomNumbers(11)
      for (let round = 0; round < rounds; round++) {
        const { connection, child } = await bench.pairWithProcess()
        child.say(['count'])
        const killAt = 1 + random(5000)
        let next = 0
        let rest = Buffer.alloc(0)
        for (;;) {
          const message = await receivedOrEnd(connection)
          if (message === undefined) break
          if (keepsBoundaries) expect(message.data.length).toBe(4)
          rest = Buffer.concat([rest, message.data])
          for (; rest.length >= 4; rest = rest.subarray(4)) expect(rest.readUInt32LE()).toBe(next++)
          if (next >= killAt) child.kill('SIGKILL')
        }
        expect(next).toBeGreaterThanOrEqual(killAt)
        await child.exited
      }
    }, 300_000)

    test('in the middle of a large message never leaves half of it as a message', async () => {
      const { connection, child } = await bench.pairWithProcess()
      await child.ask(['flood', Math.min(10_000_000, bench.transport.largestWrite)])
      await kill(child)
      const pieces: number[] = []
      for (let message; (message = await receivedOrEnd(connection)) !== undefined;) {
        pieces.push(message.data.length)
      }
      if (keepsBoundaries) {
        // All of it when the system had it all, or nothing.
        const whole = Math.min(10_000_000, bench.transport.largestWrite)
        expect(pieces.length === 0 || (pieces.length === 1 && pieces[0] === whole)).toBe(true)
      }
    })

    test('leaves nothing behind here', async () => {
      const before = resources()
      const states: ((connection: TestedConnection) => unknown)[] = [
        () => undefined,
        (connection) => {
          connection.receive().catch(() => undefined)
        },
        (connection) => connection.resume(),
        (connection) => fill(connection),
      ]
      for (const enter of states) {
        const { connection, child } = await bench.pairWithProcess()
        ignoreErrors(connection)
        await enter(connection)
        await kill(child)
        connection.destroy()
        await closeOf(connection)
      }
      await eventually(
        () => holdsNoMoreThan(before),
        () => JSON.stringify([before, resources()]),
      )
    })
  })

  if (server === undefined) return
  const servers = bench.withServer(server)

  describe('a client that was killed', () => {
    test('before it was accepted is a connection at its end', async () => {
      const { server: listening, address } = await servers.listen()
      const child = bench.client(remote, address)
      expect(await child.next()).toBe('ready')
      await child.ask(['send', 'last words'])
      await kill(child)
      const connection = await servers.accept(listening)
      expect(await received(connection)).toBe('last words')
      await expectEnd(connection.receive())
    })

    test('leaves the server to the others', async () => {
      const { server: listening, address } = await servers.listen()
      for (let round = 0; round < 3; round++) {
        const child = bench.client(remote, address)
        await servers.accept(listening)
        await kill(child)
      }
      const client = await servers.connect(address)
      const accepted = await servers.accept(listening)
      await client.send(Buffer.from('x'))
      expect(await received(accepted)).toBe('x')
    })
  })

  describe('a server that was killed', () => {
    test('ends its connections, accepted or not, and can be connected to no more', async () => {
      const address = server.address()
      const child = new Child('transport_peer.mjs', [
        remote.module,
        JSON.stringify(remote.options),
        'listen',
        address,
      ])
      expect(await child.next()).toBe('ready')
      const accepted = await servers.connect(address)
      child.say(['receive']) // after the accept
      await accepted.send(Buffer.from('are you there'))
      const waiting = await servers.connect(address)
      const receives = [accepted, waiting].map((client) => outcomeOf(client.receive()))
      await kill(child)
      // A socket that nobody had accepted may be reset.
      for (const receive of receives) {
        const outcome = await receive
        if (outcome.status === 'rejected') expect(goneCodes).toContain(codeOf(outcome.reason))
        else expect(outcome.value).toBeUndefined()
      }
      const failure = await failureOf(servers.connect(address))
      expect(server.nobodyCodes).toContain(codeOf(failure))
    })
  })
}
