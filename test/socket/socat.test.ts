/** socat 1.7 and later: stream and seqpacket connections and datagrams, on paths and abstract names. */
import { once } from 'node:events'
import { describe, expect } from 'vitest'

import { connectUnix, UnixDatagram } from '../../lib/index.js'
import { Command } from '../support/command.js'
import { needsProgram } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'
import { abstractName, listening, socketPath } from '../support/sockets.js'

const test = needsProgram('socat')

interface Place {
  where: string
  /** A new address, as it is called here. */
  address(): string
  /** socat's words for it: `UNIX-CONNECT:/path` or `ABSTRACT-CONNECT:name`. */
  socat(what: string, address: string): string
}

const path: Place = {
  where: 'a path',
  address: socketPath,
  socat: (what, address) => `UNIX-${what}:${address}`,
}
const abstract: Place = {
  where: 'an abstract name',
  address: abstractName,
  socat: (what, address) => `ABSTRACT-${what}:${address.slice(1)}`,
}

// The system's numbers of the types; socat has no words for them.
const numbers = { stream: 1, seqpacket: 5 }

/** Tells on stderr what it does; `-b` is longer than any message here. */
function socat(...addresses: string[]): Command {
  return new Command('socat', ['-d', '-d', '-b', '65536', ...addresses])
}

async function firstOutput(command: Command): Promise<string> {
  return String(((await once(command.stdout, 'data')) as [Buffer])[0])
}

describe.each([
  { type: 'stream', place: path },
  { type: 'stream', place: abstract },
  { type: 'seqpacket', place: path },
  { type: 'seqpacket', place: abstract },
] as const)('$type on $place.where', ({ type, place }) => {
  const option = `,type=${String(numbers[type])}`

  test('socat is the client: there and back, and the end', async () => {
    const server = await listening({ type }, place.address())
    const command = socat('-', place.socat('CONNECT', server.address) + option)
    const connection = closedAfterTest(await server.accept())
    expect(connection.peer.pid).toBe(command.pid)
    for (const text of ['one', 'two']) {
      command.stdin.write(text)
      expect((await connection.receive())?.data.toString()).toBe(text)
    }
    const output = firstOutput(command)
    await connection.send(Buffer.from('back'))
    expect(await output).toBe('back')
    command.stdin.end()
    if (type === 'stream') expect(await connection.receive()).toBeUndefined()
    connection.end()
    expect(await command.finished).toMatchObject({ code: 0 })
  })

  test('socat is the server: there and back, and the end', async () => {
    const address = place.address()
    const command = socat(place.socat('LISTEN', address) + option, 'PIPE')
    await command.says('listening on')
    const connection = closedAfterTest(await connectUnix(address, { type }))
    for (const text of ['one', 'two', 'x'.repeat(5000)]) {
      await connection.send(Buffer.from(text))
      let received = ''
      while (received.length < text.length) {
        received += (await connection.receive())?.data.toString() ?? 'the end'
      }
      expect(received).toBe(text)
    }
    connection.end()
    expect(await connection.receive()).toBeUndefined()
    expect(await command.finished).toMatchObject({ code: 0 })
  })
})

describe.each([path, abstract])('datagrams on $where', (place) => {
  test('socat sends', async () => {
    const address = place.address()
    const socket = closedAfterTest(await UnixDatagram.bind(address, { credentials: true }))
    const command = socat('-', place.socat('SENDTO', address))
    for (const text of ['one', 'two']) {
      command.stdin.write(text)
      const { data, from, credentials } = await socket.receive()
      expect([data.toString(), from]).toEqual([text, undefined])
      expect(credentials?.pid).toBe(command.pid)
    }
  })

  test('socat sends from a name of its own, and reads what is sent back there', async () => {
    const [address, theirs] = [place.address(), place.address()]
    const socket = closedAfterTest(await UnixDatagram.bind(address))
    const bound = place.where === path.where ? theirs : theirs.slice(1)
    const command = socat('-', `${place.socat('SENDTO', address)},bind=${bound}`)
    command.stdin.write('question')
    const { data, from } = await socket.receive()
    expect([data.toString(), from]).toEqual(['question', theirs])
    const output = firstOutput(command)
    await socket.send(Buffer.from('answer'), theirs)
    expect(await output).toBe('answer')
  })

  test('socat receives', async () => {
    const address = place.address()
    const command = socat('-u', place.socat('RECV', address), '-')
    await command.says('starting data transfer')
    const socket = closedAfterTest(await UnixDatagram.bind())
    for (const text of ['one', 'two']) {
      const output = firstOutput(command)
      await socket.send(Buffer.from(text), address)
      expect(await output).toBe(text)
    }
  })

  test('socat receives and answers the sender', async () => {
    const [address, mine] = [place.address(), place.address()]
    const command = socat(place.socat('RECVFROM', address), 'PIPE')
    await command.says('receiving on')
    const socket = closedAfterTest(await UnixDatagram.bind(mine))
    await socket.send(Buffer.from('there and back'), address)
    expect((await socket.receive()).data.toString()).toBe('there and back')
  })
})
