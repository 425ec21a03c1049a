/**
 * Bytes whose memory goes while they wait to be written. Nothing but the caller's own bytes may
 * reach the peer, and a write of which not all could go says so.
 */
import { once } from 'node:events'
import { buffer as collect } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'

import {
  Ring,
  SluiceError,
  socketPair,
  UnixDatagram,
  type UnixConnection,
} from '../../lib/index.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { socketPath } from '../support/sockets.js'

const own = 0xab

// Not in the types of the oldest Node that is supported.
type Resizable = ArrayBuffer & { resize(length: number): void }
const ResizableBuffer = ArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => Resizable

interface Lost {
  bytes: Uint8Array
  lose: () => void
}

const transferred = (length: number): Lost => {
  const memory = new ArrayBuffer(length)
  const lose = () => {
    new Uint8Array(structuredClone(memory, { transfer: [memory] })).fill(0xcd)
  }
  return { bytes: new Uint8Array(memory).fill(own), lose }
}
const shrunk =
  (to: (length: number) => number, tracking: boolean) =>
  (length: number): Lost => {
    const memory = new ResizableBuffer(length, { maxByteLength: length })
    const bytes = tracking ? new Uint8Array(memory) : new Uint8Array(memory, 0, length)
    const lose = () => {
      memory.resize(to(length))
    }
    return { bytes: bytes.fill(own), lose }
  }

const ways: [string, (length: number) => Lost][] = [
  ['transferred', transferred],
  ['shrunk beneath a view of a fixed length', shrunk((length) => length - 1, false)],
  ['shrunk to nothing beneath a view that follows', shrunk(() => 0, true)],
]

function pair(): [UnixConnection, UnixConnection] {
  const [a, b] = socketPair()
  return [closedAfterTest(a), closedAfterTest(b)]
}

function expectOwn(received: Uint8Array): void {
  expect(received.every((byte) => byte === own)).toBe(true)
}

describe.each(ways)('bytes that are %s', (_, make) => {
  test('while a write waits', async () => {
    const [a, b] = pair()
    const { bytes, lose } = make(2 ** 22)
    const failed = once(a, 'error')
    a.end(bytes)
    lose()
    expectOwn(await collect(b))
    expect(await failed).toEqual([sluiceError('ERR_SLUICE_INVALID_ARGUMENT')])
  })

  test('while a send waits', async () => {
    const [a, b] = pair()
    const { bytes, lose } = make(2 ** 22)
    a.on('error', () => undefined) // a part has gone: the connection is lost, too
    const refused = expect(a.send(bytes)).rejects.toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
    lose()
    a.end()
    expectOwn(await collect(b))
    await refused
  })

  test('while a message waits that is to go as a whole: the others do', async () => {
    const [a, b] = socketPair('seqpacket')
    closedAfterTest(a)
    closedAfterTest(b)
    const others = Array.from({ length: 500 }, () => a.send(Buffer.from('other')))
    const { bytes, lose } = make(100)
    const refused = expect(a.send(bytes)).rejects.toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
    const last = a.send(Buffer.from('last'))
    lose()
    for (let i = 0; i < 500; i++) expect((await b.receive())?.data.toString()).toBe('other')
    expect((await b.receive())?.data.toString()).toBe('last')
    await Promise.all([...others, refused, last])
  })

  test('while a write into a ring waits', async () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    const [producer, consumer] = [ring.producer(), ring.consumer()]
    while (producer.tryWrite(Buffer.alloc(1000)));
    const { bytes, lose } = make(1500)
    const refused = expect(producer.write(bytes)).rejects.toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
    const last = producer.write(Buffer.from('last'))
    lose()
    while (consumer.tryRead()?.length === 1000);
    await Promise.all([refused, last])
  })

  test('while a datagram waits, of which nothing goes, and the others all the same', async () => {
    const path = socketPath()
    const receiver = closedAfterTest(await UnixDatagram.bind(path))
    const sender = closedAfterTest(await UnixDatagram.bind())
    const count = 500
    const others = Array.from({ length: count }, () => sender.send(Buffer.from('other'), path))
    const { bytes, lose } = make(100)
    const lost = sender.send(bytes, path)
    const refused = expect(lost).rejects.toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
    const last = sender.send(Buffer.from('last'), path)
    lose()
    for (let i = 0; i < count; i++) expect((await receiver.receive()).data.toString()).toBe('other')
    expect((await receiver.receive()).data.toString()).toBe('last')
    await Promise.all([...others, refused, last])
  })
})

test.each(['write', 'send'] as const)('a %s whose bytes were transferred fails', async (how) => {
  const [a, b] = pair()
  b.resume()
  const { bytes, lose } = transferred(2 ** 22)
  const lost = once(a, 'error')
  const outcome =
    how === 'send'
      ? a.send(bytes).catch((error: unknown) => error)
      : new Promise((resolve) => a.write(bytes, resolve))
  lose()
  expect(await outcome).toBeInstanceOf(SluiceError)
  expect(await lost).toEqual([expect.any(SluiceError)])
})

test('shared memory cannot be taken away: all of it arrives', async () => {
  const [a, b] = pair()
  const bytes = new Uint8Array(new SharedArrayBuffer(2 ** 22)).fill(own)
  const copy: SharedArrayBuffer = structuredClone(bytes.buffer)
  expect(copy.byteLength).toBe(bytes.byteLength)
  a.end(bytes)
  const received = await collect(b)
  expect(received.length).toBe(bytes.length)
  expectOwn(received)
})

test('a datagram half of which is gone is not sent as if it were whole', async () => {
  const path = socketPath()
  const receiver = closedAfterTest(await UnixDatagram.bind(path))
  const sender = closedAfterTest(await UnixDatagram.bind())
  const sends = Array.from({ length: 500 }, () => sender.send(Buffer.from('other'), path))
  const { bytes, lose } = shrunk((length) => length / 2, true)(100)
  const refused = expect(sender.send(bytes, path)).rejects.toThrow(/transferred or resized/)
  lose()
  for (let i = 0; i < 500; i++) expect((await receiver.receive()).data.toString()).toBe('other')
  await Promise.all([...sends, refused])
})
