import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { sluice, type Command } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import {
  goesWithItsHolder,
  noFullDevice,
  noStopSignal,
  onWindows,
  unixOnly,
} from '../support/platform.js'
import { exists, uniqueName } from '../support/rings.js'

// On Windows every signal that a process sends to another ends that at once.
const noCtrlC = 'no process can press Ctrl-C for another on Windows'

/** How many messages the receiver has written out and given back. */
function messagesTaken(name: string): number {
  if (!exists(name)) return 0
  const ring = Ring.open(name)
  try {
    return ring.stats().consumer.messages
  } finally {
    ring.close()
  }
}

/** A transfer that has begun and waits for more input. */
async function halfWay(name: string, target?: string): Promise<[Command, Command]> {
  const args = target === undefined ? [] : [target]
  const receiver = sluice(['recv', name, ...args, '-q'])
  const sender = sluice(['send', name, '-q'])
  sender.stdin.write('the first half')
  await expect.poll(() => messagesTaken(name)).toBe(1)
  return [sender, receiver]
}

describe('when the sender goes in the middle', () => {
  test.each([
    ['SIGKILL', null],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s, the receiver fails and says what it has', async (signal, code) => {
    const name = uniqueName()
    const target = join(temporaryFolder(), 'target')
    const [sender, receiver] = await halfWay(name, target)
    sender.kill(signal)
    expect((await sender.finished).code).toBe(onWindows ? null : code)
    const { code: received, stderr } = await receiver.finished
    expect(received).toBe(1)
    expect(stderr).toBe(
      `sluice recv: the sender of ${name.slice(1)}, process ${String(sender.pid)}, died or was ` +
        `stopped before its end; 14 B received, ${target} is incomplete\n`,
    )
    expect(readFileSync(target, 'utf8')).toBe('the first half')
    expect(exists(name)).toBe(false)
  })
})

describe('when the receiver goes in the middle', () => {
  test.each([
    ['SIGKILL', null],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'by %s, the sender fails at once, though it has nothing to send',
    async (signal, code) => {
      const name = uniqueName()
      const [sender, receiver] = await halfWay(name)
      receiver.kill(signal)
      const received = await receiver.finished
      expect(received.code).toBe(onWindows ? null : code)
      if (code !== null && !onWindows) {
        expect(received.stderr).toBe(
          `sluice recv: interrupted by ${signal}; 14 B received, what was written to stdout is incomplete\n`,
        )
      }
      expect(await sender.finished).toMatchObject({
        code: 1,
        stderr:
          `sluice send: the receiver of ${name.slice(1)}, process ${String(receiver.pid)}, ` +
          `died or was stopped before it had everything\n`,
      })
      expect(exists(name)).toBe(false)
    },
  )

  test('because nobody reads its stdout any more, both fail', async () => {
    const name = uniqueName()
    const [sender, receiver] = await halfWay(name)
    receiver.stdout.destroy()
    sender.stdin.write('the second half')
    const { code, stderr } = await receiver.finished
    expect(code).toBe(141)
    expect(stderr).toContain('the reader of stdout is gone; 14 B received')
    expect((await sender.finished).code).toBe(1)
    expect(exists(name)).toBe(false)
  })

  unixOnly(noCtrlC)('while its stdout is stuck, it still answers Ctrl-C', async () => {
    const name = uniqueName()
    const receiver = sluice(['recv', name, '-q'])
    const sender = sluice(['send', name, '-q', '/dev/zero'])
    await once(receiver.stdout, 'readable') // and nobody reads on
    receiver.kill('SIGINT')
    receiver.stdout.resume()
    expect((await receiver.finished).code).toBe(130)
    expect((await sender.finished).code).toBe(1)
  })
})

describe('when the other side does not come', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends the sender; no ring is left',
    async (signal) => {
      const name = uniqueName()
      const sender = sluice(['send', name], { input: 'x' })
      await sender.says('waiting for a receiver')
      sender.kill(signal)
      const code = signal === 'SIGINT' ? 130 : 143
      expect((await sender.finished).code).toBe(onWindows ? null : code)
      expect(exists(name)).toBe(false)
    },
  )

  unixOnly(noCtrlC)(
    'Ctrl-C ends the receiver; no ring is left and the old file stays',
    async () => {
      const name = uniqueName()
      const target = join(temporaryFolder(), 'target')
      writeFileSync(target, 'the old content')
      const receiver = sluice(['recv', name, target])
      await receiver.says('waiting for a sender')
      receiver.kill('SIGINT')
      const { code, stderr } = await receiver.finished
      expect(code).toBe(130)
      expect(stderr).toContain(`interrupted by SIGINT; 0 B received, ${target} was not touched`)
      expect(readFileSync(target, 'utf8')).toBe('the old content')
      expect(exists(name)).toBe(false)
    },
  )

  test('--timeout ends the sender', async () => {
    const name = uniqueName()
    const { code, stderr } = await sluice(['send', name, '--timeout', '0.1'], { input: 'x' })
      .finished
    expect(code).toBe(1)
    expect(stderr).toContain(`no receiver has come to ${name.slice(1)} within 0.1 seconds`)
    expect(exists(name)).toBe(false)
  })

  test('--timeout ends the receiver, which makes no file', async () => {
    const name = uniqueName()
    const target = join(temporaryFolder(), 'target')
    const { code, stderr } = await sluice(['recv', name, target, '--timeout', '0.1']).finished
    expect(code).toBe(1)
    expect(stderr).toContain(`no sender has come to ${name.slice(1)} within 0.1 seconds`)
    expect(existsSync(target)).toBe(false)
    expect(exists(name)).toBe(false)
  })
})

test('--timeout ends a receiver whose sender is silent, and then the sender', async () => {
  const name = uniqueName()
  const receiver = sluice(['recv', name, '-q', '--timeout', '2'])
  const sender = sluice(['send', name, '-q'])
  sender.stdin.write('x')
  expect(await receiver.finished).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      `nothing came through ${name.slice(1)} for 2 seconds`,
    ) as string,
  })
  expect((await sender.finished).code).toBe(1)
})

unixOnly(noStopSignal)('--timeout ends a sender whose receiver is stopped', async () => {
  const name = uniqueName()
  const receiver = sluice(['recv', name])
  await receiver.says('waiting for a sender')
  receiver.kill('SIGSTOP')
  const { code, stderr } = await sluice(['send', name, '-q', '--timeout', '0.3'], { input: 'x' })
    .finished
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `sluice send: nothing was taken from ${name.slice(1)} for 0.3 seconds\n`,
  })
})

test('a second sender and a second receiver are told who was first', async () => {
  const name = uniqueName()
  const [sender, receiver] = await halfWay(name)
  expect(await sluice(['send', name], { input: 'x' }).finished).toMatchObject({
    code: 1,
    stderr: `sluice send: ${name.slice(1)} already has a sender, process ${String(sender.pid)}\n`,
  })
  const second = await sluice(['recv', name]).finished
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(
    `${name.slice(1)} already has a receiver, process ${String(receiver.pid)}`,
  )
  // The first two are not disturbed.
  sender.stdin.end(', the second')
  expect((await sender.finished).code).toBe(0)
  expect((await receiver.finished).stdout.toString()).toBe('the first half, the second')
})

describe('what a killed session left', () => {
  unixOnly(noStopSignal)('the rest of a stream does not pass for a whole one', async () => {
    const name = uniqueName()
    const [sender, receiver] = await halfWay(name)
    // Neither side can clean up.
    sender.kill('SIGSTOP')
    receiver.kill('SIGKILL')
    await receiver.finished
    sender.kill('SIGKILL')
    await sender.finished
    expect(exists(name)).toBe(true)

    const hint = `"sluice rm ${name.slice(1)}" removes it`
    const again = await sluice(['recv', name]).finished
    expect(again.code).toBe(1)
    expect(again.stderr).toContain(
      `its receiver, process ${String(receiver.pid)}, died in the middle of a transfer; ${hint}`,
    )
    // The receiver removed nothing that it had not joined.
    const next = await sluice(['send', name], { input: 'x' }).finished
    expect(next.code).toBe(1)
    expect(next.stderr).toContain(
      `its sender, process ${String(sender.pid)}, died in the middle of a transfer; ${hint}`,
    )
    expect((await sluice(['rm', name]).finished).code).toBe(0)
    expect(exists(name)).toBe(false)
  })

  unixOnly(goesWithItsHolder)(
    'an ended stream that nobody has received is not overwritten',
    async () => {
      const name = uniqueName()
      await sluice(['send', name, '--no-wait'], { input: 'kept' }).finished
      const { code, stderr } = await sluice(['send', name], { input: 'other' }).finished
      expect(code).toBe(1)
      expect(stderr).toContain('holds a finished transfer that nobody has received to its end')
      expect((await sluice(['recv', name]).finished).stdout.toString()).toBe('kept')
    },
  )

  test('a sender killed before it sent anything is not in the way', async () => {
    const name = uniqueName()
    const first = sluice(['send', name], { input: 'x' })
    await first.says('waiting for a receiver')
    first.kill('SIGKILL')
    await first.finished
    const sender = sluice(['send', name], { input: 'y' })
    await sender.says('waiting for a receiver')
    expect((await sluice(['recv', name]).finished).stdout.toString()).toBe('y')
  })
})

describe('files that cannot be used', () => {
  test.each([
    ['send', 'missing', 'cannot read FOLDER/missing: no such file or directory'],
    ['send', '', 'cannot read FOLDER/: is a directory'],
    ['recv', '', 'cannot write FOLDER/: is a directory'],
    ['recv', 'no/such', 'cannot write FOLDER/no/such: no such file or directory'],
  ])('%s "%s"', async (command, path, message) => {
    const name = uniqueName()
    const folder = temporaryFolder()
    expect(await sluice([command, name, `${folder}/${path}`]).finished).toMatchObject({
      code: 1,
      stderr: `sluice ${command}: ${message.replace('FOLDER', folder)}\n`,
    })
    expect(exists(name)).toBe(false)
  })

  unixOnly(noFullDevice)('a full device ends both sides', async () => {
    const name = uniqueName()
    const receiver = sluice(['recv', name, '/dev/full', '-q'])
    const sender = sluice(['send', name, '-q'], { input: 'x' })
    expect(await receiver.finished).toMatchObject({
      code: 1,
      stderr: 'sluice recv: cannot write /dev/full: no space left on the device\n',
    })
    expect((await sender.finished).code).toBe(1)
  })
})
