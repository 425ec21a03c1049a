import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { Ring, SharedMemory } from '../../lib/index.js'
import { sluice } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import {
  goesWithItsHolder,
  noFullDevice,
  onlyIf,
  onWindows,
  unixOnly,
} from '../support/platform.js'
import { closedAfterTest, exists, uniqueName } from '../support/rings.js'
import { stress } from '../support/stress.js'

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const succeeded = { code: 0, signal: null, stderr: '' }

test('the receiver first: stdin arrives on stdout, and the ring is gone', async () => {
  const name = uniqueName()
  const receiver = sluice(['recv', name])
  await receiver.says('waiting for a sender')
  const sender = sluice(['send', name], { input: 'a few bytes\n' })
  expect(await sender.finished).toMatchObject(succeeded)
  const { code, stdout } = await receiver.finished
  expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: 'a few bytes\n' })
  expect(exists(name)).toBe(false)
})

test('the sender first: it waits for the receiver', async () => {
  const name = uniqueName()
  const sender = sluice(['send', name], { input: 'a few bytes\n' })
  await sender.says(`waiting for a receiver ("sluice recv ${name.slice(1)}")`)
  const receiver = await sluice(['recv', name]).finished
  expect(receiver).toMatchObject(succeeded)
  expect(receiver.stdout.toString()).toBe('a few bytes\n')
  expect((await sender.finished).code).toBe(0)
  expect(exists(name)).toBe(false)
})

const megabytes = stress({ short: 20, full: 200 })

test(`a file of ${String(megabytes)} MB arrives whole, and both sides print its hash`, async () => {
  const folder = temporaryFolder()
  const [source, target] = [join(folder, 'source'), join(folder, 'target')]
  const block = randomBytes(1_000_003)
  const content = Buffer.alloc(megabytes * 1e6)
  for (let at = 0; at < content.length; at += block.length) block.copy(content, at)
  writeFileSync(source, content)

  const name = uniqueName()
  const receiver = sluice(['recv', name, target, '--hash', '--quiet'])
  const sender = sluice(['send', name, source, '--hash', '--quiet'])
  const stderr = `sha256 ${sha256(content)}\n`
  expect(await sender.finished).toMatchObject({ code: 0, stderr })
  expect(await receiver.finished).toMatchObject({ code: 0, stderr })
  expect(sha256(readFileSync(target))).toBe(sha256(content))
})

test.each([
  ['nothing', 0],
  ['one byte', 1],
  ['less than the ring', 4095],
  ['many times the ring', 100_001],
])('%s passes the smallest ring', async (_, length) => {
  const name = uniqueName()
  const content = randomBytes(length)
  const receiver = sluice(['recv', name, '--capacity', '4K', '-q'])
  const sender = sluice(['send', name, '--capacity', '4K', '-q'], { input: content })
  expect(await sender.finished).toMatchObject(succeeded)
  expect(await receiver.finished).toMatchObject({ ...succeeded, stdout: content })
})

describe('where views of shared memory cannot be had', () => {
  const copying = { SLUICE_NO_EXTERNAL_BUFFERS: '1' }

  test.each([
    ['on both sides', copying, copying],
    ['at the sender', copying, {}],
    ['at the receiver', {}, copying],
  ])('%s, the bytes arrive all the same', async (_, sending, receiving) => {
    const name = uniqueName()
    const content = randomBytes(1_000_003)
    const args = ['--capacity', '64K', '-q']
    const receiver = sluice(['recv', name, ...args], { env: receiving })
    const sender = sluice(['send', name, ...args], { env: sending, input: content })
    expect(await sender.finished).toMatchObject(succeeded)
    const received = await receiver.finished
    expect(received).toMatchObject(succeeded)
    expect(received.stdout.equals(content)).toBe(true)
  })

  unixOnly(noFullDevice)('what could not be written does not count as delivered', async () => {
    const name = uniqueName()
    const receiver = sluice(['recv', name, '/dev/full', '-q'], { env: copying })
    const sender = sluice(['send', name, '-q'], { env: copying, input: 'x' })
    expect((await receiver.finished).code).toBe(1)
    expect((await sender.finished).code).toBe(1)
  })
})

test('an empty stream makes an empty file', async () => {
  const name = uniqueName()
  const target = join(temporaryFolder(), 'target')
  writeFileSync(target, 'the old content')
  const receiver = sluice(['recv', name, target])
  expect((await sluice(['send', name], { input: '' }).finished).code).toBe(0)
  expect((await receiver.finished).code).toBe(0)
  expect(readFileSync(target, 'utf8')).toBe('')
})

unixOnly(goesWithItsHolder)(
  '--no-wait leaves what fits in the ring for a later receiver',
  async () => {
    const name = uniqueName()
    const sent = await sluice(['send', name, '--no-wait'], { input: 'for later' }).finished
    expect(sent).toMatchObject(succeeded)
    const received = await sluice(['recv', name]).finished
    expect(received).toMatchObject({ ...succeeded, stdout: Buffer.from('for later') })
    expect(exists(name)).toBe(false)
  },
)

onlyIf(onWindows, 'elsewhere the ring stays')(
  '--no-wait fails when nobody could receive what is left',
  async () => {
    const name = uniqueName()
    const sent = await sluice(['send', name, '--no-wait'], { input: 'for nobody' }).finished
    expect(sent.code).toBe(1)
    expect(sent.stderr).toBe(
      `sluice send: nobody receives from ${name.slice(1)}, and on Windows it is gone when this ` +
        'process ends\n',
    )
  },
)

test('--no-wait waits for a receiver when the ring is full', async () => {
  const name = uniqueName()
  const content = randomBytes(50_000)
  const args = ['send', name, '--no-wait', '--capacity', '4K']
  const sender = sluice(args, { input: content })
  expect((await sluice(['recv', name, '-q']).finished).stdout).toEqual(content)
  expect(await sender.finished).toMatchObject(succeeded)
})

test('one transfer after the other through the same name', async () => {
  const name = uniqueName()
  const senders = []
  for (const text of ['first', 'second', 'third']) {
    const sender = sluice(['send', name, '-q'], { input: text })
    senders.push(sender.finished)
    expect((await sluice(['recv', name, '-q']).finished).stdout.toString()).toBe(text)
    expect((await sender.finished).code).toBe(0)
  }
})

test('a ring whose stream was read to its end by a program takes a new one', async () => {
  const name = uniqueName()
  const ring = closedAfterTest(Ring.create(name))
  const producer = ring.producer()
  await producer.write(Buffer.from('old'))
  producer.close()
  const consumer = ring.consumer()
  for await (const message of consumer) expect(message.toString()).toBe('old')
  consumer.close()

  const sender = sluice(['send', name, '-q'], { input: 'new' })
  expect((await sluice(['recv', name]).finished).stdout.toString()).toBe('new')
  expect((await sender.finished).code).toBe(0)
})

test('the other side may be a program that uses the library', async () => {
  const name = uniqueName()
  const consumer = closedAfterTest(Ring.create(name)).consumer()
  const sender = sluice(['send', name, '-q'], { input: 'to a program' })
  const chunks = []
  for await (const message of consumer) chunks.push(message)
  expect(Buffer.concat(chunks).toString()).toBe('to a program')
  expect((await sender.finished).code).toBe(0)
})

unixOnly(goesWithItsHolder)(
  'a receiver that waits joins the ring that has taken the name',
  async () => {
    const name = uniqueName()
    const receiver = sluice(['recv', name])
    await receiver.says('waiting for a sender')
    SharedMemory.unlink(name)
    const sender = sluice(['send', name, '-q'], { input: 'x' })
    expect((await receiver.finished).stdout.toString()).toBe('x')
    expect((await sender.finished).code).toBe(0)
  },
)

unixOnly(goesWithItsHolder)(
  'a sender that waits joins the ring that has taken the name',
  async () => {
    const name = uniqueName()
    const sender = sluice(['send', name], { input: 'x' })
    await sender.says('waiting for a receiver')
    SharedMemory.unlink(name)
    expect((await sluice(['recv', name, '-q']).finished).stdout.toString()).toBe('x')
    expect((await sender.finished).code).toBe(0)
  },
)

test('senders and receivers that come without order all find each other', async () => {
  const name = uniqueName()
  const texts = Array.from(
    { length: stress({ short: 4, full: 12 }) },
    (_, i) => `message ${String(i)}`,
  )
  const sending = (async () => {
    for (const text of texts) {
      expect(await sluice(['send', name, '-q'], { input: text }).finished).toMatchObject(succeeded)
    }
  })()
  const received = []
  while (received.length < texts.length) {
    const { code, stdout } = await sluice(['recv', name, '-q']).finished
    expect(code).toBe(0)
    received.push(stdout.toString())
  }
  await sending
  expect(received).toEqual(texts)
  expect(exists(name)).toBe(false)
})
