/** The examples that take an address: the same programs over every transport. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { node, type Command } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { onWindows } from '../support/platform.js'
import { socketPath } from '../support/sockets.js'

const addresses = {
  shm: () => `shm:${randomUUID()}`,
  pipe: () => `pipe:${randomUUID()}`,
  unix: () => `unix:${socketPath()}`,
  tcp: () => 'tcp:127.0.0.1:0',
}
type Transport = keyof typeof addresses
const transports = (Object.keys(addresses) as Transport[]).filter(
  (name) => !(onWindows && name === 'unix'), // Windows has none
)

/** The programs of one example, which find each other by an address. */
class Example {
  readonly #folder: string
  readonly #given: string
  // The sockets of pipes are in it; a killed server leaves its own behind.
  readonly #env = { XDG_RUNTIME_DIR: temporaryFolder() }
  #address = ''

  constructor(folder: string, transport: Transport) {
    this.#folder = folder
    this.#given = addresses[transport]()
  }

  /** Listening, at the address of the server before, if there was one. */
  async serve(): Promise<Command> {
    const server = this.#start('server.mjs', this.#given)
    const [line] = (await once(server.stdout, 'data')) as [Buffer]
    this.#address = /^listening on (\S+)\n$/.exec(line.toString())?.[1] ?? ''
    return server
  }

  start(program: string): Command {
    return this.#start(program, this.#address)
  }

  async linesOf(program: string): Promise<string[]> {
    const { code, stdout, stderr } = await this.start(program).finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout.toString().trim().split('\n')
  }

  #start(program: string, address: string): Command {
    return node([`examples/${this.#folder}/${program}`, address], { env: this.#env })
  }
}

/** A client, and two of another server at the same address: the first server was killed. */
async function runsAgain(example: Example, lines: (server: Command) => unknown[]): Promise<void> {
  const first = await example.serve()
  expect(await example.linesOf('client.mjs')).toEqual(lines(first))
  await endOf(first, 'SIGKILL')

  const second = await example.serve()
  expect(await example.linesOf('client.mjs')).toEqual(lines(second))
  expect(await example.linesOf('client.mjs')).toEqual(lines(second))
  const code = await endOf(second, 'SIGTERM')
  if (!onWindows) expect(code).toBe(0) // there nothing but an end is to be had
}

async function endOf(server: Command, signal: NodeJS.Signals): Promise<number | null> {
  server.kill(signal)
  const { code, stderr } = await server.finished
  expect(stderr).toBe('')
  return code
}

describe.each(transports)('over %s:', (transport) => {
  test('http-over-shm: keep-alive, a large body, an upgrade', async () => {
    // TCP does not tell who calls.
    const caller = transport === 'tcp' ? 'whoever you are' : 'a user of mine'
    await runsAgain(new Example('http-over-shm', transport), () => [
      `100 requests, 1 connection: hello over ${transport}, ${caller}`,
      '20000000 bytes came back: the same',
      'upgraded: beyond HTTP',
    ])
  })

  test('http-over-shm: the server outlives a client that dies with half a body sent', async () => {
    const example = new Example('http-over-shm', transport)
    const server = await example.serve()
    const client = example.start('client.mjs')
    await once(client.stdout, 'data') // the body is next
    client.kill('SIGKILL')
    await client.finished
    expect(await example.linesOf('client.mjs')).toContain('20000000 bytes came back: the same')
    await endOf(server, 'SIGKILL')
  })

  test('jsonrpc: requests, notifications, a cancellation', async () => {
    await runsAgain(new Example('jsonrpc', transport), () => [
      '2 + 3 = 5',
      '1000 of 1000 sums are right',
      '10 notes were noted',
      'cancelled: stopped thinking',
    ])
  })

  test('jsonrpc: a request fails when the server dies, and the server outlives a client', async () => {
    const example = new Example('jsonrpc', transport)
    const server = await example.serve()
    const killed = example.start('wait.mjs')
    await once(killed.stdout, 'data')
    killed.kill('SIGKILL')
    await killed.finished

    const waiting = example.start('wait.mjs')
    await once(waiting.stdout, 'data')
    await endOf(server, 'SIGKILL')
    const { code, stdout, stderr } = await waiting.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [thinks, end, ...more] = stdout.toString().trim().split('\n')
    expect(thinks).toBe(`process ${String(server.pid)} thinks`)
    expect(end).toMatch(/^no answer: the server has gone( \(\w+\))?$/)
    expect(more).toEqual([])
    // A socket's end does not tell a death from a close; a channel's does.
    if (transport === 'shm') expect(end).toContain('ERR_SLUICE_PEER_DIED')
  })

  test('request-answer: questions both ways, time-outs, ten thousand at once', async () => {
    await runsAgain(new Example('request-answer', transport), () => [
      '2 + 3 = 5',
      '10000 of 10000 sums are right',
      'hello, a client',
      "no: there is no 'multiply'",
      'no: no answer in 50 ms',
      expect.stringMatching(/^no: the message has \d+ bytes, and 1048576 are the most/),
      'no: the other side is gone',
    ])
  })

  test('request-answer: no question waits for a server that died', async () => {
    const example = new Example('request-answer', transport)
    const server = await example.serve()
    const waiting = example.start('wait.mjs')
    await once(waiting.stdout, 'data')
    await endOf(server, 'SIGKILL')
    const { code, stdout, stderr } = await waiting.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.toString()).toBe('asked\nno: the other side is gone\n')
  })
})
