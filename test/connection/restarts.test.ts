/** A server that is started again and again, under load: an exact account of every message. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'

import { connectUnix, ReconnectingConnection, SluiceError, UnixServer } from '../../lib/index.js'
import { messagesOver } from '../support/message_connections.js'
import { onlyIf } from '../support/platform.js'
import { randomNumbers } from '../support/transport_suite/workbench.js'
import { socketPath } from '../support/sockets.js'

const restarts = 100
const window = 32
const testHere = onlyIf(process.platform === 'linux', 'the messages are those of seqpacket sockets')

/** A server that says back the number of each message, and notes each that has come. */
class AcknowledgingServer {
  readonly came = new Map<string, number>()
  readonly #path: string
  #server: UnixServer | undefined
  readonly #open = new Set<{ destroy(): void }>()

  constructor(path: string) {
    this.#path = path
  }

  async start(): Promise<void> {
    const server = await UnixServer.listen(this.#path, { type: 'seqpacket' })
    this.#server = server
    void (async () => {
      for await (const connection of server) {
        connection.on('error', () => undefined)
        this.#open.add(connection)
        void this.#serve(connection).catch(() => undefined)
      }
    })()
  }

  stop(): void {
    this.#server?.close()
    for (const connection of this.#open) connection.destroy()
    this.#open.clear()
  }

  async #serve(connection: Awaited<ReturnType<UnixServer['accept']>>): Promise<void> {
    for (let message; (message = await connection.receive()) !== undefined;) {
      const text = message.data.toString()
      this.came.set(text, (this.came.get(text) ?? 0) + 1)
      await connection.send(Buffer.from(text.split(' ')[0] ?? ''))
    }
  }
}

testHere(
  `${String(restarts)} restarts of a server under load: nothing is lost, nothing comes twice`,
  async () => {
    const path = socketPath()
    const server = new AcknowledgingServer(path)
    await server.start()
    const client = new ReconnectingConnection(
      async ({ signal }) => messagesOver(await connectUnix(path, { type: 'seqpacket', signal })),
      { initialDelay: 1, maxDelay: 4, healthyAfter: 1 },
    )
    onTestFinished(() => {
      client.close()
      server.stop()
    })

    const acknowledged = new Set<number>()
    const waiting = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>()
    const outcomes = { handedOver: 0, underWay: 0 }
    const calls: string[] = []
    let disconnects = 0
    client.on('disconnect', () => {
      disconnects++
      // A message that was not acknowledged may be lost: it is sent again, as another message.
      for (const { reject } of [...waiting.values()]) reject(new Error('not acknowledged'))
    })
    const reading = (async () => {
      for await (const message of client) {
        const number = Number(message.toString())
        acknowledged.add(number)
        waiting.get(number)?.resolve()
      }
    })()

    async function deliver(number: number): Promise<void> {
      for (let attempt = 0; !acknowledged.has(number); attempt++) {
        const text = `${String(number)} ${String(attempt)}`
        calls.push(text)
        const acknowledgement = new Promise<void>((resolve, reject) => {
          waiting.set(number, { resolve, reject })
        })
        acknowledgement.catch(() => undefined)
        try {
          await client.send(Buffer.from(text))
          outcomes.handedOver++
        } catch (error) {
          if (!(error instanceof SluiceError) || error.code !== 'ERR_SLUICE_DISCONNECTED')
            throw error
          outcomes.underWay++
          continue
        }
        await acknowledgement.catch(() => undefined)
      }
      waiting.delete(number)
    }

    let done = false
    let next = 0
    const load = Promise.all(
      Array.from({ length: window }, async () => {
        while (!done) await deliver(next++)
      }),
    )
    const random = randomNumbers(3)
    for (let i = 0; i < restarts; i++) {
      await client.whenConnected({ timeout: 30_000 })
      for (let turns = random(20); turns > 0; turns--) await turn()
      server.stop()
      for (let turns = random(5); turns > 0; turns--) await turn()
      await server.start()
    }
    done = true
    await load
    client.close()
    await reading

    // Each number was acknowledged, and so has come; no call of send was sent twice.
    expect(acknowledged.size).toBe(next)
    const numbers = new Set([...server.came.keys()].map((text) => Number(text.split(' ')[0])))
    expect(numbers.size).toBe(next)
    expect([...server.came.values()].every((count) => count === 1)).toBe(true)
    // Each call of send has had one outcome, and nothing has come that was not sent.
    expect(outcomes.handedOver + outcomes.underWay).toBe(calls.length)
    expect(new Set(calls).size).toBe(calls.length)
    expect([...server.came.keys()].every((text) => calls.includes(text))).toBe(true)
    expect(disconnects).toBeGreaterThanOrEqual(restarts / 2)
    expect(client.stats().queuedMessages).toBe(0)
  },
)
