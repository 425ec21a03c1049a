import { once } from 'node:events'
import { expect, test } from 'vitest'

import { connectUnix } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { connected, fill, listening, socketPath } from '../support/sockets.js'

test('each send is one message, each receive gives one', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket' })
  expect([client.type, accepted.type]).toEqual(['seqpacket', 'seqpacket'])
  const messages = Array.from({ length: 300 }, (_, i) => `${String(i)}${'x'.repeat(i)}`)
  const sending = Promise.all(messages.map((message) => client.send(Buffer.from(message))))
  for (const message of messages) {
    expect((await accepted.receive())?.data.toString()).toBe(message)
  }
  await sending
})

test('as a stream each write is one chunk, whether they wait or not', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket' })
  const messages = Array.from({ length: 3000 }, (_, i) => `<${String(i)}>`)
  for (const message of messages) client.write(message)
  client.end()
  const chunks: string[] = []
  for await (const chunk of accepted) chunks.push((chunk as Buffer).toString())
  expect(chunks).toEqual(messages)
})

test('a message that is longer than the receiver takes is an error, not a silent cut', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket', maxMessageLength: 100 })
  await client.send(Buffer.alloc(100))
  expect((await accepted.receive())?.data).toHaveLength(100)
  await client.send(Buffer.alloc(101))
  await expect(accepted.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
  expect(accepted.destroyed).toBe(true)
})

test('a message that is longer than the socket sends is an error; the connection goes on', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket' })
  await expect(client.send(Buffer.alloc(2 ** 24))).rejects.toThrow(
    sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG', {
      cause: sluiceError('EMSGSIZE', { syscall: 'sendmsg' }),
    }),
  )
  await client.send(Buffer.from('next'))
  expect((await accepted.receive())?.data.toString()).toBe('next')
})

test('an empty message cannot be sent, and one that comes is not the end', async () => {
  const { client } = await connected({ type: 'seqpacket' })
  expect(() => client.send(Buffer.alloc(0))).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  const path = socketPath()
  const server = await listening({ type: 'seqpacket' }, path)
  const child = new Child('empty_messages.py', [path], { program: 'python3' })
  const accepted = closedAfterTest(await server.accept())
  await child.finish() // all of it is in the queue, and the peer has gone
  const received: string[] = []
  for (let message; (message = await accepted.receive()) !== undefined;) {
    received.push(message.data.toString())
  }
  expect(received).toEqual(['', 'between', '', 'last'])
})

test('backpressure: sends wait while the peer does not receive', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket' })
  const filled = await fill(client)
  let sent = false
  const send = client.send(Buffer.from('after')).then(() => (sent = true))
  expect(sent).toBe(false)
  for (let bytes = 0; bytes < filled;) bytes += (await accepted.receive())?.data.length ?? 0
  expect((await accepted.receive())?.data.toString()).toBe('after')
  await send
})

test('the end comes after the last message', async () => {
  const { client, accepted } = await connected({ type: 'seqpacket' })
  client.end('last')
  expect((await accepted.receive())?.data.toString()).toBe('last')
  expect(await accepted.receive()).toBeUndefined()
  expect(await accepted.receive()).toBeUndefined()
  await once(client.resume(), 'close')
})

test('a client of another type is told so', async () => {
  const server = await listening({ type: 'seqpacket' })
  await expect(connectUnix(server.address)).rejects.toThrow(sluiceError('EPROTOTYPE'))
})
