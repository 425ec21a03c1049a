/** Failures of `sluice send` and `sluice recv` over addresses. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { listen } from '../../lib/index.js'
import { newAddress, schemes, type Scheme } from '../support/cli_addresses.js'
import { sluice, type Command } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { noFullDevice, noStopSignal, onWindows, underWine, unixOnly } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'

// On Windows every signal that a process sends to another ends that at once.
const noCtrlC = 'no process can press Ctrl-C for another on Windows'

/** A transfer that has begun and waits for more input. */
async function halfWay(
  scheme: Scheme,
  more: { send?: string[]; recv?: string[] } = {},
): Promise<{ address: string; sender: Command; receiver: Command }> {
  const address = await newAddress(scheme)
  const receiver = sluice(['recv', '--listen', address, '-q', ...(more.recv ?? [])])
  const sender = sluice(['send', address, '-q', ...(more.send ?? [])])
  const first = once(receiver.stdout, 'data')
  sender.stdin.write('the first half')
  await first
  return { address, sender, receiver }
}

/** A process's name in messages, which neither TCP nor Wine tells. */
function named(scheme: Scheme, { pid }: Command): string {
  return scheme === 'tcp:' || underWine ? '' : `, process ${String(pid)},`
}

const signals = [
  ['SIGKILL', null],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const
const waysToGo = schemes.flatMap((scheme) =>
  // On Windows they are all the same end.
  (onWindows ? signals.slice(0, 1) : signals).map(
    ([signal, code]) => [scheme, signal, code] as const,
  ),
)

test.each(waysToGo)(
  '%s when the sender goes in the middle by %s, the receiver fails and says what it has',
  async (scheme, signal, code) => {
    const { address, sender, receiver } = await halfWay(scheme)
    sender.kill(signal)
    const sent = await sender.finished
    expect(sent.code).toBe(onWindows ? null : code)
    if (code !== null && !onWindows) {
      expect(sent.stderr).toBe(`sluice send: interrupted by ${signal}\n`)
    }
    expect(await receiver.finished).toMatchObject({
      code: 1,
      stdout: Buffer.from('the first half'),
      stderr:
        `sluice recv: the sender of ${address}${named(scheme, sender)} died or was stopped before ` +
        'its end; 14 B received, what was written to stdout is incomplete\n',
    })
  },
)

test.each(waysToGo)(
  '%s when the receiver goes in the middle by %s, the sender fails at once, though it has nothing to send',
  async (scheme, signal, code) => {
    const { address, sender, receiver } = await halfWay(scheme)
    // With the second the receiver has counted the first.
    const more = once(receiver.stdout, 'data')
    sender.stdin.write('and more')
    await more
    receiver.kill(signal)
    const received = await receiver.finished
    expect(received.code).toBe(onWindows ? null : code)
    if (code !== null && !onWindows) {
      expect(received.stderr).toMatch(
        new RegExp(
          `^sluice recv: interrupted by ${signal}; (14|22) B received, what was written to stdout is incomplete\n$`,
        ),
      )
    }
    expect(await sender.finished).toMatchObject({
      code: 1,
      stderr:
        `sluice send: the receiver of ${address}${named(scheme, receiver)} died or was stopped ` +
        'before it had everything\n',
    })
  },
)

describe.each(schemes)('%s', (scheme) => {
  test('a receiver that is killed under load ends the sender', async () => {
    const address = await newAddress(scheme)
    const receiver = sluice(['recv', '--listen', address, '-q'])
    const sender = sluice(['send', address, '-q', onWindows ? process.execPath : '/dev/zero'])
    await once(receiver.stdout, 'readable') // and nobody reads on
    receiver.kill('SIGKILL')
    receiver.stdout.resume()
    await receiver.finished
    const { code, stderr } = await sender.finished
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        `sluice send: the receiver of ${address}${named(scheme, receiver)} died or was stopped ` +
        'before it had everything\n',
    })
  })

  unixOnly(noCtrlC)('Ctrl-C ends who waits; an old file stays', async () => {
    const address = await newAddress(scheme)
    const target = join(temporaryFolder(), 'target')
    writeFileSync(target, 'the old content')
    for (const more of [[], ['--listen']]) {
      const receiver = sluice(['recv', address, target, ...more])
      await receiver.says('waiting for a sender')
      receiver.kill('SIGINT')
      const { code, stderr } = await receiver.finished
      expect(code).toBe(130)
      expect(stderr).toContain(`interrupted by SIGINT; 0 B received, ${target} was not touched`)
      expect(readFileSync(target, 'utf8')).toBe('the old content')

      const sender = sluice(['send', address, ...more], { input: 'x' })
      await sender.says('waiting for a receiver')
      sender.kill('SIGINT')
      expect((await sender.finished).code).toBe(130)
    }
    if (scheme === 'unix:/') expect(existsSync(address.slice('unix:'.length))).toBe(false)
  })

  test('--timeout ends who waits; no file is made', async () => {
    const address = await newAddress(scheme)
    const target = join(temporaryFolder(), 'target')
    for (const more of [[], ['--listen']]) {
      const args = ['-q', '--timeout', '0.1', ...more]
      expect(await sluice(['send', address, ...args], { input: 'x' }).finished).toMatchObject({
        code: 1,
        stderr: `sluice send: no receiver has come to ${address} within 0.1 seconds\n`,
      })
      expect(await sluice(['recv', address, target, ...args]).finished).toMatchObject({
        code: 1,
        stderr: `sluice recv: no sender has come to ${address} within 0.1 seconds; 0 B received, ${target} was not made\n`,
      })
      expect(existsSync(target)).toBe(false)
    }
  })

  test('--timeout ends a receiver whose sender is silent, and then the sender', async () => {
    const { address, sender, receiver } = await halfWay(scheme, { recv: ['--timeout', '2'] })
    const { code, stderr } = await receiver.finished
    expect(code).toBe(1)
    expect(stderr).toContain(`nothing came through ${address} for 2 seconds; 14 B received`)
    expect((await sender.finished).code).toBe(1)
  })

  unixOnly(noStopSignal)('--timeout ends a sender whose receiver is stopped', async () => {
    const { address, sender, receiver } = await halfWay(scheme, { send: ['--timeout', '2'] })
    receiver.kill('SIGSTOP')
    sender.stdin.end('the second half')
    expect(await sender.finished).toMatchObject({
      code: 1,
      stderr: `sluice send: nothing was taken from ${address} for 2 seconds\n`,
    })
  })

  test('two senders are told that there are two', async () => {
    const address = await newAddress(scheme)
    const one = sluice(['send', address, '-q', '--listen'], { input: 'x' })
    const other = sluice(['send', address, '-q'], { input: 'x' })
    const results = [await one.finished, await other.finished]
    expect(results.map(({ code }) => code)).toEqual([1, 1])
    expect(results.map(({ stderr }) => stderr)).toContain(
      `sluice send: at the other end of ${address} is a sender, too\n`,
    )
  })
})

test('because nobody reads its stdout any more, both fail', async () => {
  const { sender, receiver } = await halfWay('pipe:')
  receiver.stdout.destroy()
  sender.stdin.write('the second half')
  const { code, stderr } = await receiver.finished
  expect(code).toBe(141)
  expect(stderr).toContain('the reader of stdout is gone; 14 B received')
  expect((await sender.finished).code).toBe(1)
})

unixOnly(noFullDevice)('a full device ends both sides', async () => {
  const address = await newAddress('shm:')
  const receiver = sluice(['recv', '-l', address, '/dev/full', '-q'])
  const sender = sluice(['send', address, '-q'], { input: 'x' })
  expect(await receiver.finished).toMatchObject({
    code: 1,
    stderr: 'sluice recv: cannot write /dev/full: no space left on the device\n',
  })
  expect((await sender.finished).code).toBe(1)
})

describe('a server of something else', () => {
  test.each([
    [
      'answers',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      /^sluice send: at the other end of .* is no "sluice recv"\n$/,
    ],
    [
      'closes',
      '',
      /^sluice send: the other end of .* has closed at once: it is no "sluice recv", or/,
    ],
  ])('that %s is told', async (_, answer, message) => {
    const server = closedAfterTest(await listen('tcp:127.0.0.1:0'))
    const sender = sluice(['send', server.address, '-q'], { input: 'x' })
    const connection = closedAfterTest(await server.accept())
    await connection.receive()
    connection.end(answer)
    const { code, stderr } = await sender.finished
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
  })

  test('that repeats what it gets does not pass for a receiver', async () => {
    const server = closedAfterTest(await listen('tcp:127.0.0.1:0'))
    const sender = sluice(['send', server.address, '-q'], { input: '' })
    const connection = closedAfterTest(await server.accept())
    connection.pipe(connection)
    expect((await sender.finished).code).toBe(1)
  })
})

test('what is wrong with an address beside nobody listening is told at once', async () => {
  const { code, stderr } = await sluice(['send', 'tcp:192.0.2.300.invalid:1'], { input: 'x' })
    .finished
  expect(code).toBe(1)
  expect(stderr).toMatch(/^sluice send: cannot connect to 'tcp:.*\n$/)
})

test('a listener whose address is in use fails', async () => {
  const server = closedAfterTest(await listen('tcp:127.0.0.1:0'))
  const { code, stderr } = await sluice(['recv', '-l', server.address]).finished
  expect(code).toBe(1)
  expect(stderr).toContain('EADDRINUSE')
})
