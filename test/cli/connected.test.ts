/** `sluice send` and `sluice recv` over the addresses of `connect`. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { connect, framed, listen } from '../../lib/index.js'
import { newAddress, schemes } from '../support/cli_addresses.js'
import { sluice } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { unixOnly } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'
import { stress } from '../support/stress.js'

const succeeded = { code: 0, signal: null, stderr: '' }
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const length = stress({ short: 3_000_017, full: 100_000_007 })

test.each(schemes)(
  '%s a file arrives whole, whoever listens; both print its hash',
  async (scheme) => {
    const folder = temporaryFolder()
    const [source, target] = [join(folder, 'source'), join(folder, 'target')]
    const content = randomBytes(length)
    writeFileSync(source, content)
    for (const listening of ['recv', 'send']) {
      const address = await newAddress(scheme)
      const more = (command: string) => (command === listening ? ['--listen'] : [])
      const receiver = sluice(['recv', address, target, '--hash', '-q', ...more('recv')])
      const sender = sluice(['send', address, source, '--hash', '-q', ...more('send')])
      const stderr = `sha256 ${sha256(content)}\n`
      expect(await sender.finished).toMatchObject({ code: 0, stderr })
      expect(await receiver.finished).toMatchObject({ code: 0, stderr })
      expect(sha256(readFileSync(target))).toBe(sha256(content))
    }
  },
)

test.each(schemes)('%s the side that connects waits until the other listens', async (scheme) => {
  const address = await newAddress(scheme)
  const sender = sluice(['send', address], { input: 'a few bytes\n' })
  await sender.says(`waiting for a receiver ("sluice recv --listen ${address}")`)
  const receiver = await sluice(['recv', '-q', '--listen', address]).finished
  expect(receiver).toMatchObject({ ...succeeded, stdout: Buffer.from('a few bytes\n') })
  expect((await sender.finished).code).toBe(0)
})

test.each(schemes)('%s the side that listens tells how to connect', async (scheme) => {
  const address = scheme === 'tcp:' ? 'tcp:127.0.0.1:0' : await newAddress(scheme)
  const receiver = sluice(['recv', '--listen', address])
  const told = await receiver.tells(/waiting for a sender \("sluice send (.*)"\)/)
  if (scheme === 'tcp:') expect(told).toMatch(/^tcp:127\.0\.0\.1:[1-9]\d*$/)
  else expect(told).toBe(address)
  expect(await sluice(['send', told], { input: 'x' }).finished).toMatchObject(succeeded)
  expect((await receiver.finished).stdout.toString()).toBe('x')
})

test.each([
  ['nothing', 0],
  ['one byte', 1],
  ['one message', 65536],
  ['a byte more', 65537],
])('%s arrives, from a file and from stdin', async (_, count) => {
  const source = join(temporaryFolder(), 'source')
  const content = randomBytes(count)
  writeFileSync(source, content)
  for (const scheme of ['pipe:', 'shm:'] as const) {
    for (const input of ['file', 'stdin']) {
      const address = await newAddress(scheme)
      const receiver = sluice(['recv', '-q', '-l', address])
      const args = ['send', '-q', address]
      const sender = input === 'file' ? sluice([...args, source]) : sluice(args, { input: content })
      expect(await sender.finished).toMatchObject(succeeded)
      expect(await receiver.finished).toMatchObject({ ...succeeded, stdout: content })
    }
  }
})

test('an empty stream makes an empty file', async () => {
  const address = await newAddress('pipe:')
  const target = join(temporaryFolder(), 'target')
  writeFileSync(target, 'the old content')
  const receiver = sluice(['recv', '--listen', address, target, '-q'])
  expect((await sluice(['send', '-q', address], { input: '' }).finished).code).toBe(0)
  expect(await receiver.finished).toMatchObject(succeeded)
  expect(readFileSync(target, 'utf8')).toBe('')
})

test('shm: takes the room that --capacity says', async () => {
  const address = await newAddress('shm:')
  const content = randomBytes(100_001)
  const receiver = sluice(['recv', '-q', '--listen', address, '--capacity', '4K'])
  const sender = sluice(['send', '-q', address, '--capacity', '4K'], { input: content })
  expect(await sender.finished).toMatchObject(succeeded)
  expect(await receiver.finished).toMatchObject({ ...succeeded, stdout: content })
})

unixOnly('paths are for Unix sockets')('--mode says who may connect to a path', async () => {
  for (const [args, mode] of [
    [[], 0o600],
    [['--mode', '660'], 0o660],
  ] as const) {
    const address = await newAddress('unix:/')
    const receiver = sluice(['recv', '--listen', address, ...args])
    await receiver.says('waiting for a sender')
    expect(statSync(address.slice('unix:'.length)).mode & 0o777).toBe(mode)
    expect((await sluice(['send', '-q', address], { input: 'x' }).finished).code).toBe(0)
    expect((await receiver.finished).code).toBe(0)
  }
})

test('one transfer after the other through the same address', async () => {
  const address = await newAddress('pipe:')
  const senders = []
  for (const text of ['first', 'second', 'third']) {
    const sender = sluice(['send', address, '-q'], { input: text })
    senders.push(sender.finished)
    const { stdout } = await sluice(['recv', '-l', address, '-q']).finished
    expect(stdout.toString()).toBe(text)
    expect((await sender.finished).code).toBe(0)
  }
})

test.each(schemes)('%s the receiver may be a program that uses the library', async (scheme) => {
  const server = closedAfterTest(
    await listen(scheme === 'tcp:' ? 'tcp:127.0.0.1:0' : await newAddress(scheme)),
  )
  const sender = sluice(['send', '-q', server.address], { input: 'to a program' })
  const messages = framed(closedAfterTest(await server.accept()))
  await messages.send(Buffer.from('sluice recv 1'))
  expect(String(await messages.receive())).toBe('sluice send 1')
  const chunks = []
  for await (const message of messages) {
    await messages.send(Buffer.alloc(0)) // is written
    if (message.byteLength === 0) break
    chunks.push(message)
  }
  expect(Buffer.concat(chunks).toString()).toBe('to a program')
  expect(await sender.finished).toMatchObject(succeeded)
})

test('the sender may be a program that uses the library', async () => {
  const address = await newAddress('shm:')
  const receiver = sluice(['recv', '--listen', address])
  await receiver.says('waiting for a sender')
  const messages = framed(closedAfterTest(await connect(address)))
  const all = ['sluice send 1', 'from ', 'a program', '']
  await messages.sendMany(all.map((text) => Buffer.from(text)))
  expect(String(await messages.receive())).toBe('sluice recv 1')
  for (let answers = 0; answers < 3; answers += 1) {
    expect((await messages.receive())?.byteLength).toBe(0)
  }
  expect(await messages.receive()).toBe(undefined)
  const { code, stdout } = await receiver.finished
  expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: 'from a program' })
})
