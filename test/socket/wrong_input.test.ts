import { closeSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'

import {
  connectUnix,
  peerCredentials,
  socketPair,
  UnixConnection,
  UnixDatagram,
  UnixServer,
} from '../../lib/index.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { listening, socketPath } from '../support/sockets.js'
import { revoked, wrongBytes } from '../support/wrong_values.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

test.each([
  ['empty', '', /empty/],
  ['@ alone', '@', /empty/],
  ['with a NUL', 'a\0b', /NUL/],
  ['abstract as C writes it', '\0app', /NUL byte; the abstract name is '@app' here/],
  ['NUL alone', '\0', /must not contain a NUL byte$/],
  ['abstract with a NUL', '@a\0b', /NUL/],
  ['too long', 'x'.repeat(108), /108 bytes.* limit is 107/],
  ['abstract and too long', `@${'x'.repeat(108)}`, /108 bytes.* limit is 107/],
  ['a number', 5, /address must be a string/],
  ['null', null, /address must be/],
  ['undefined', undefined, /address must be a string/],
])('an address that is %s is refused at once', (_, address, message) => {
  expect(() => UnixServer.listen(address as string)).toThrow(message)
  expect(() => connectUnix(address as string)).toThrow(wrong)
  if (address !== undefined) expect(() => UnixDatagram.bind(address as string)).toThrow(wrong)
})

test('both an address and an fd, and options that do not go with an fd', async () => {
  const server = await listening()
  const both = { fd: server.fd, path: '/x' } as { fd: number }
  expect(() => UnixServer.listen(both)).toThrow(wrong)
  expect(() => UnixServer.listen('/x', { fd: server.fd } as object)).toThrow(
    /options.fd is unknown/,
  )
  expect(() => UnixServer.listen({ fd: server.fd }, { mode: 0o600 })).toThrow(/options.mode/)
  expect(() => UnixServer.listen({ fd: server.fd }, { type: 'stream' })).toThrow(/options.type/)
})

test.each([
  ['negative', -1],
  ['a fraction', 1.5],
  ['not a number', 'three'],
  ['too large', 2 ** 31],
])('an fd that is %s is refused at once', (_, fd) => {
  expect(() => UnixServer.listen({ fd: fd as number })).toThrow(wrong)
  expect(() => UnixConnection.fromFd(fd as number)).toThrow(wrong)
  expect(() => UnixDatagram.fromFd(fd as number)).toThrow(wrong)
})

test('what cannot be asked for its fd is refused at once', () => {
  const throwing = {
    get fd(): number {
      throw new Error('mine')
    },
  }
  for (const source of [revoked({ fd: 1 }), throwing]) {
    expect(() => UnixConnection.fromFd(source)).toThrow(wrong)
    expect(() => UnixDatagram.fromFd(source)).toThrow(wrong)
    expect(() => UnixServer.listen(source)).toThrow(wrong)
    expect(() => UnixServer.listen({ fd: source })).toThrow(wrong)
    expect(() => peerCredentials(source)).toThrow(wrong)
    expect(() => peerCredentials({ socket: source })).toThrow(wrong)
  }
})

test.each<[string, unknown]>([
  ['no array', 'fds'],
  ['like an array', { length: 1 }],
  ['more than a message takes', Array<number>(254).fill(1)],
  ['a revoked proxy', revoked([])],
  ['an array with a hole', Array(1)],
  ['an array with a revoked proxy', [revoked({})]],
  ['an array with a number that is none', [NaN]],
  [
    'an array with a getter that throws',
    [
      {
        get fd() {
          throw new Error('mine')
        },
      },
    ],
  ],
])('fds that are %s are refused at once', (_, fds) => {
  const options = { fds: fds as number[] }
  for (const type of ['stream', 'seqpacket', 'datagram'] as const) {
    const [one, other] = socketPair(type)
    closedAfterTest(one)
    closedAfterTest(other)
    const send = () =>
      one instanceof UnixDatagram
        ? one.send(Buffer.from('x'), undefined, options)
        : one.send(Buffer.from('x'), options)
    expect(send).toThrow(wrong)
  }
})

test.each(wrongBytes)('bytes that are %s are refused at once', (_, value) => {
  for (const type of ['stream', 'seqpacket', 'datagram'] as const) {
    const [one, other] = socketPair(type)
    closedAfterTest(one)
    closedAfterTest(other)
    expect(() => one.send(value as Uint8Array)).toThrow(wrong)
  }
})

test('an fd that is closed, or not a socket, or another kind of socket', async () => {
  const closed = sluiceError('EBADF')
  await expect(UnixServer.listen({ fd: 987_654 })).rejects.toThrow(closed)
  expect(() => UnixConnection.fromFd(987_654)).toThrow(closed)
  const file = openSync('/dev/null', 'r')
  const noSocket = sluiceError('ENOTSOCK')
  await expect(UnixServer.listen({ fd: file })).rejects.toThrow(noSocket)
  expect(() => UnixConnection.fromFd(file)).toThrow(noSocket)
  closeSync(file)
  const server = await listening()
  expect(() => UnixConnection.fromFd(server.fd)).toThrow(/it is a listening one/)
  const [one, other] = socketPair()
  closedAfterTest(one)
  closedAfterTest(other)
  await expect(UnixServer.listen({ fd: one.fd })).rejects.toThrow(/it does not listen/)
  expect(() => UnixDatagram.fromFd(one.fd)).toThrow(/a datagram socket/)
  const datagram = closedAfterTest(await UnixDatagram.bind())
  expect(() => UnixConnection.fromFd(datagram.fd)).toThrow(/it is a datagram socket/)
})

const options: [string, object][] = [
  ['type', { type: 'datagram' }],
  ['signal', { signal: {} }],
  ['allowHalfOpen', { allowHalfOpen: 1 }],
  ['highWaterMark', { highWaterMark: -1 }],
  ['sendBufferSize', { sendBufferSize: 0 }],
  ['receiveBufferSize', { receiveBufferSize: '1' }],
  ['maxDescriptors', { maxDescriptors: 254 }],
  ['maxMessageLength', { maxMessageLength: 0 }],
  ['an unknown name', { timeOut: 5 }],
]
const listenOptions: [string, object][] = [
  ['mode', { mode: 0o1000 }],
  ['mode as a string', { mode: '600' }],
  ['backlog', { backlog: 0 }],
  ['removeStale', { removeStale: 'yes' }],
  ['makeDirectory', { makeDirectory: true }],
  ['padded', { padded: 1 }],
  ['authorize', { authorize: true }],
]

test.each([...options, ...listenOptions])('a wrong option of listen: %s', (_, option) => {
  expect(() => UnixServer.listen(socketPath(), option)).toThrow(wrong)
})

test.each([...options, ['timeout', { timeout: -1 }], ['timeout NaN', { timeout: NaN }]])(
  'a wrong option of connectUnix: %s',
  (_, option) => {
    expect(() => connectUnix('/x', option)).toThrow(wrong)
  },
)

test('wrong arguments of a connection', () => {
  const [one, other] = socketPair()
  closedAfterTest(one)
  closedAfterTest(other)
  expect(() => one.send('text' as never)).toThrow(/bytes must be a Uint8Array/)
  expect(() => one.send(Buffer.from('x'), { timeout: -1 })).toThrow(wrong)
  expect(() => one.send(Buffer.from('x'), { fd: 1 } as never)).toThrow(/options.fd is unknown/)
  expect(() => one.receive({ signal: 'x' as never })).toThrow(wrong)
  expect(() => one.setTimeout(-1)).toThrow(wrong)
  expect(() => socketPair('pipe' as never)).toThrow(wrong)
})

test('wrong arguments of a datagram socket', async () => {
  const socket = closedAfterTest(await UnixDatagram.bind())
  expect(() => socket.send('text' as never, '/x')).toThrow(wrong)
  expect(() => socket.send(Buffer.from('x'), 5 as never)).toThrow(wrong)
  expect(() => socket.send(Buffer.from('x'), '')).toThrow(/empty/)
  expect(() => {
    socket.connect('')
  }).toThrow(/empty/)
  expect(() => UnixDatagram.bind(undefined, { credentials: 1 as never })).toThrow(wrong)
})

test('receive does not go with reading the stream', async () => {
  const [one, other] = socketPair()
  closedAfterTest(one)
  closedAfterTest(other)
  const waiting = one.receive()
  one.resume()
  const mixed = sluiceError('ERR_SLUICE_INVALID_STATE')
  await expect(waiting).rejects.toThrow(mixed)
  await expect(one.receive()).rejects.toThrow(mixed)
})

test('connecting says what is wrong, and what it may be', async () => {
  const path = socketPath()
  await expect(connectUnix(path)).rejects.toThrow(
    sluiceError('ENOENT', {
      syscall: 'connect',
      address: path,
      message: expect.stringContaining(path) as string,
    }),
  )
})
