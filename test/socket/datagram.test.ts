import { closeSync, existsSync, openSync, statSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { socketPair, UnixDatagram } from '../../lib/index.js'
import { openDescriptors, noMoreDescriptorsThan } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { abstractName, closeAll, socketPath } from '../support/sockets.js'

async function bound(address?: string, options = {}): Promise<UnixDatagram> {
  return closedAfterTest(await UnixDatagram.bind(address, options))
}

test('a message arrives whole, with the address of its sender', async () => {
  const [to, from] = [socketPath(), socketPath()]
  const [receiver, sender, nameless] = [await bound(to), await bound(from), await bound()]
  await sender.send(Buffer.from('one'), to)
  await nameless.send(Buffer.from('two'), to)
  expect(await receiver.receive()).toEqual({ data: Buffer.from('one'), from, fds: [] })
  expect(await receiver.receive()).toEqual({ data: Buffer.from('two'), from: undefined, fds: [] })
})

test('an empty message is a message', async () => {
  const path = socketPath()
  const [receiver, sender] = [await bound(path), await bound()]
  await sender.send(Buffer.alloc(0), path)
  expect((await receiver.receive()).data).toHaveLength(0)
})

test('connect gives a destination, and takes messages from there only', async () => {
  const [one, two] = [socketPath(), socketPath()]
  const [a, b, stranger] = [await bound(one), await bound(two), await bound()]
  a.connect(two)
  await expect(stranger.send(Buffer.from('x'), one)).rejects.toThrow(sluiceError('EPERM'))
  await a.send(Buffer.from('hello'))
  expect((await b.receive()).from).toBe(one)
  await b.send(Buffer.from('back'), one)
  expect((await a.receive()).data.toString()).toBe('back')
  expect(() => {
    a.connect('/nowhere')
  }).toThrow(sluiceError('ENOENT'))
})

test('without an address and a destination there is nowhere to send', async () => {
  const sender = await bound()
  await expect(sender.send(Buffer.from('x'))).rejects.toThrow(sluiceError('ENOTCONN'))
  await expect(sender.send(Buffer.from('x'), '/nowhere')).rejects.toThrow(
    sluiceError('ENOENT', { address: '/nowhere' }),
  )
})

test('descriptors travel with it', async () => {
  const [one, other] = socketPair('datagram')
  closedAfterTest(one)
  closedAfterTest(other)
  const fd = openSync('/dev/null', 'r')
  const counts = openDescriptors()
  await one.send(Buffer.from('x'), undefined, { fds: [fd, fd] })
  const { fds } = await other.receive()
  expect(fds).toHaveLength(2)
  closeAll(fds)
  await noMoreDescriptorsThan(counts)
  closeSync(fd)
})

test('more descriptors than the limit are closed, and the socket goes on', async () => {
  const [one, other] = socketPair('datagram', { maxDescriptors: 1 })
  closedAfterTest(one)
  closedAfterTest(other)
  const fd = openSync('/dev/null', 'r')
  const counts = openDescriptors()
  await one.send(Buffer.from('x'), undefined, { fds: [fd, fd] })
  await one.send(Buffer.from('next'))
  await expect(other.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_FDS_LIMIT'))
  expect((await other.receive()).data.toString()).toBe('next')
  await noMoreDescriptorsThan(counts)
  closeSync(fd)
})

test('a message that is too long to receive is dropped with an error', async () => {
  const path = socketPath()
  const [receiver, sender] = [await bound(path, { maxMessageLength: 10 }), await bound()]
  await sender.send(Buffer.alloc(11), path)
  await sender.send(Buffer.alloc(10), path)
  await expect(receiver.receive()).rejects.toThrow(sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG'))
  expect((await receiver.receive()).data).toHaveLength(10)
})

test('a message that is too long to send is an error', async () => {
  const path = socketPath()
  const [, sender] = [await bound(path), await bound()]
  await expect(sender.send(Buffer.alloc(2 ** 24), path)).rejects.toThrow(
    sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG', {
      cause: sluiceError('EMSGSIZE', { syscall: 'sendmsg' }),
    }),
  )
})

test.each(['connected', 'by address'])('a full receiver makes senders wait: %s', async (how) => {
  const path = socketPath()
  const [receiver, sender] = [await bound(path), await bound()]
  const to = how === 'connected' ? undefined : path
  if (to === undefined) sender.connect(path)
  const count = 500
  const sends = Array.from({ length: count }, (_, i) => sender.send(Buffer.from(String(i)), to))
  await turn()
  for (let i = 0; i < count; i++) {
    expect((await receiver.receive()).data.toString()).toBe(String(i))
  }
  await Promise.all(sends)
})

test('a send that waits is cancelled by signal and time, and by close', async () => {
  const path = socketPath()
  const [receiver, sender] = [await bound(path), await bound()]
  const waiting: Promise<void>[] = []
  for (let i = 0; i < 100; i++) waiting.push(sender.send(Buffer.from('fill'), path))
  for (const send of waiting) send.catch(() => undefined)
  const controller = new AbortController()
  const aborted = sender.send(Buffer.from('x'), path, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
  await expect(sender.send(Buffer.from('x'), path, { timeout: 5 })).rejects.toThrow(
    sluiceError('ERR_SLUICE_TIMEOUT'),
  )
  sender.close()
  await expect(waiting.at(-1)).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  await expect(sender.send(Buffer.from('x'), path)).rejects.toThrow(
    sluiceError('ERR_SLUICE_CLOSED'),
  )
  expect((await receiver.receive()).data.toString()).toBe('fill')
})

test('receive is cancelled by signal, time and close, and loses nothing', async () => {
  const path = socketPath()
  const [receiver, sender] = [await bound(path), await bound()]
  const controller = new AbortController()
  const aborted = receiver.receive({ signal: controller.signal })
  await sender.send(Buffer.from('kept'), path)
  controller.abort()
  await expect(aborted).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }) as Error)
  expect((await receiver.receive({ timeout: 0 })).data.toString()).toBe('kept')
  await expect(receiver.receive({ timeout: 5 })).rejects.toThrow(sluiceError('ERR_SLUICE_TIMEOUT'))
  const closing = receiver.receive()
  receiver.close()
  receiver.close()
  await expect(closing).rejects.toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

test('for await gives the messages until it is closed', async () => {
  const name = abstractName()
  const [receiver, sender] = [await bound(name), await bound()]
  for (const text of ['a', 'b', 'c']) await sender.send(Buffer.from(text), name)
  const seen: string[] = []
  for await (const { data } of receiver) {
    seen.push(data.toString())
    if (seen.length === 3) receiver.close()
  }
  expect(seen).toEqual(['a', 'b', 'c'])
})

test('a path has its mode and goes with the socket', async () => {
  const path = socketPath()
  const socket = await bound(path, { mode: 0o622 })
  expect(statSync(path).mode & 0o777).toBe(0o622)
  await expect(UnixDatagram.bind(path)).rejects.toThrow(sluiceError('EADDRINUSE'))
  socket.close()
  expect(existsSync(path)).toBe(false)
})

test('the loop goes round while sends and receives find something at once', async () => {
  const path = socketPath()
  const [receiver, sender] = [await bound(path), await bound()]
  let turns = 0
  const counting = setInterval(() => turns++)
  for (const begin = performance.now(); turns < 3 && performance.now() - begin < 20_000;) {
    await sender.send(Buffer.from('x'), path)
    await receiver.receive()
  }
  clearInterval(counting)
  expect(turns).toBe(3)
})
