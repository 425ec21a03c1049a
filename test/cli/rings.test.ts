import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'

import { Ring, SharedMemory } from '../../lib/index.js'
import { Command, root, sluice } from '../support/command.js'
import { native } from '../../lib/pipe/native.js'
import {
  asRootForOthers,
  canMount,
  goesWithItsHolder,
  onlyIf,
  onWindows,
  unixOnly,
} from '../support/platform.js'
import { closedAfterTest, exists, namedRing, uniqueName } from '../support/rings.js'

interface Row {
  name: string
  [field: string]: unknown
}

async function listed(name: string): Promise<Row | undefined> {
  const { code, stdout } = await sluice(['ls', '--json', '--interval', '0.05']).finished
  expect(code).toBe(0)
  return (JSON.parse(stdout.toString()) as Row[]).find((row) => row.name === name)
}

test('ls shows a ring, its fill and who is at its ends, and disturbs nothing', async () => {
  const ring = namedRing(8192)
  const producer = ring.producer()
  producer.tryWrite(Buffer.alloc(100))
  producer.tryWrite(Buffer.alloc(100))
  const row = {
    name: ring.name,
    state: 'made',
    capacity: 8192,
    used: 2 * 112,
    uid: process.getuid?.() ?? null,
    mode: onWindows ? null : '600',
    ownerSid: onWindows ? native.currentUserSid() : null,
    producer: { pid: process.pid, state: 'alive', messages: 2, messagesPerSecond: 0 },
    consumer: { pid: null, state: 'never', messages: 0, messagesPerSecond: 0 },
  }
  expect(await listed(ring.name)).toEqual(row)

  producer.abandon()
  expect(await listed(ring.name)).toMatchObject({ producer: { state: 'dead' } })
  const consumer = ring.consumer()
  consumer.tryRead()
  consumer.close()
  expect(await listed(ring.name)).toMatchObject({
    used: 112,
    consumer: { pid: process.pid, state: 'closed', messages: 1 },
  })
})

test('ls samples the rates of both sides', async () => {
  const ring = namedRing()
  const producer = ring.producer()
  const consumer = ring.consumer()
  const flow = setInterval(() => {
    producer.tryWrite(Buffer.alloc(8))
    consumer.tryRead()
  }, 1)
  const row = await listed(ring.name)
  clearInterval(flow)
  expect(row).toMatchObject({
    producer: { messagesPerSecond: expect.toSatisfy((rate: number) => rate > 0) as number },
    consumer: { messagesPerSecond: expect.toSatisfy((rate: number) => rate > 0) as number },
  })
})

test('ls prints a line for each ring, and leaves out what is no ring', async () => {
  const ring = namedRing()
  const other = uniqueName()
  closedAfterTest(SharedMemory.create(other, { size: 100_000 }))
  const { code, stdout } = await sluice(['ls', '--interval', '0']).finished
  expect(code).toBe(0)
  const lines = stdout.toString().split('\n')
  expect(lines[0]).toMatch(/^NAME +CAPACITY +USED +FILL +PRODUCER +MSG\/S +CONSUMER +MSG\/S$/)
  const line = lines.find((text) => text.startsWith(`${ring.name} `))
  expect(line).toMatch(/ 4 KiB +0 B +0% +never +0 +never +0$/)
  expect(stdout.toString()).not.toContain(`${other} `)
})

/** A ring as a creator leaves it that is killed while it makes one. */
function halfMadeRing(content = 'SLUICERG'): string {
  const name = uniqueName()
  writeFileSync(`/dev/shm${name}`, content, { mode: 0o600 })
  return name
}

unixOnly(goesWithItsHolder)('ls shows a ring that a creator has left half made', async () => {
  const name = halfMadeRing()
  const nobody = { pid: null, state: 'never', messages: 0, messagesPerSecond: 0 }
  expect(await listed(name)).toEqual({
    name,
    state: 'half-made',
    capacity: 0,
    used: 0,
    uid: process.getuid?.(),
    mode: '600',
    ownerSid: null,
    producer: nobody,
    consumer: nobody,
  })
  const { stdout } = await sluice(['ls', '--interval', '0']).finished
  const line = stdout
    .toString()
    .split('\n')
    .find((text) => text.startsWith(`${name} `))
  expect(line).toMatch(/ - +- +- +half-made, creator dead +- +- +-$/)
})

unixOnly(goesWithItsHolder)(
  'rm --dead removes a ring that was left half made, and says so; rm names --force',
  async () => {
    const name = halfMadeRing()
    expect(await sluice(['rm', name]).finished).toMatchObject({
      code: 1,
      stderr:
        `sluice rm: ${name} is only half made, by a creator that has died; --force removes it, ` +
        'and so does --dead\n',
    })
    const { code, stdout } = await sluice(['rm', '--dead', name]).finished
    expect(code).toBe(0)
    expect(stdout.toString()).toBe(`removed ${name}, half made by a creator that has died\n`)
    expect(exists(name)).toBe(false)
    const other = halfMadeRing()
    expect(await sluice(['rm', '--force', other]).finished).toMatchObject({ code: 0, stderr: '' })
    expect(exists(other)).toBe(false)
  },
)

// Memory without bytes may be any program's, which has made it this instant. All names of the machine
// are too many for a test: the command sees none but those of a namespace of its own.
onlyIf(canMount(), 'a /dev/shm of its own needs Linux and its root')(
  'rm --dead removes all that was left half made, and memory without bytes only when it is named',
  async () => {
    const shell =
      'mount -t tmpfs none /dev/shm && printf SLUICERG > /dev/shm/begun && : > /dev/shm/empty && ' +
      '"$0" "$1" rm --dead && "$0" "$1" rm --dead empty && ls /dev/shm'
    const args = ['--mount', 'sh', '-c', shell, process.execPath, `${root}dist/cli.cjs`]
    const { stdout, stderr } = await new Command('unshare', args).finished
    expect(stderr).toBe(
      'sluice rm: /empty has no bytes; if it is a ring whose creator has died, "rm --dead /empty" removes it\n',
    )
    expect(stdout.toString()).toBe(
      'removed /begun, half made by a creator that has died\n' +
        'removed empty, half made by a creator that has died\n',
    )
  },
)

unixOnly(goesWithItsHolder)('rm removes a ring', async () => {
  const { name } = namedRing()
  expect(await sluice(['rm', name.slice(1)]).finished).toMatchObject({ code: 0, stderr: '' })
  expect(exists(name)).toBe(false)
})

unixOnly(goesWithItsHolder)(
  'rm refuses a ring in use, removes the others, and --force removes it',
  async () => {
    const [used, unused] = [namedRing(), namedRing()]
    used.consumer()
    expect(await sluice(['rm', used.name, unused.name]).finished).toMatchObject({
      code: 1,
      stderr: `sluice rm: ${used.name} is in use by process ${String(process.pid)}; --force removes its name\n`,
    })
    expect([exists(used.name), exists(unused.name)]).toEqual([true, false])
    expect((await sluice(['rm', '--force', used.name]).finished).code).toBe(0)
    expect(exists(used.name)).toBe(false)
  },
)

unixOnly(goesWithItsHolder)('rm refuses what is no ring, and what does not exist', async () => {
  const name = uniqueName()
  closedAfterTest(SharedMemory.create(name, { size: 100_000 }))
  const missing = uniqueName()
  const { code, stderr } = await sluice(['rm', name, missing]).finished
  expect(code).toBe(1)
  expect(stderr).toBe(
    `sluice rm: ${name} is not a ring, or not a finished one; --force removes it\n` +
      `sluice rm: there is no ${missing}\n`,
  )
  expect(exists(name)).toBe(true)
})

unixOnly(goesWithItsHolder)(
  'rm --dead removes rings whose users are gone, and no others',
  async () => {
    const [dead, alive, untouched] = [namedRing(), namedRing(), namedRing()]
    dead.producer().abandon()
    alive.producer()
    const { code, stdout } = await sluice(['rm', '--dead', dead.name, alive.name, untouched.name])
      .finished
    expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: `removed ${dead.name}\n` })
    expect([dead, alive, untouched].map(({ name }) => exists(name))).toEqual([false, true, true])
  },
)

unixOnly(goesWithItsHolder)(
  'rm --dead leaves what nobody has received, and --force removes it',
  async () => {
    const name = uniqueName()
    await sluice(['send', name, '--no-wait'], { input: 'for later' }).finished
    const kept = await sluice(['rm', '--dead', name]).finished
    expect({ ...kept, stdout: kept.stdout.toString() }).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `sluice rm: ${name} holds 24 undelivered bytes; --force removes it\n`,
    })
    expect(exists(name)).toBe(true)
    const removed = await sluice(['rm', '--dead', '--force', name]).finished
    expect(removed.stdout.toString()).toBe(`removed ${name}\n`)
    expect(exists(name)).toBe(false)
  },
)

unixOnly(goesWithItsHolder)('rm --dead --force spares a ring in use', async () => {
  const ring = namedRing()
  ring.producer()
  expect((await sluice(['rm', '--dead', '--force', ring.name]).finished).code).toBe(0)
  expect(exists(ring.name)).toBe(true)
})

onlyIf(onWindows, 'elsewhere rings are removed')(
  'rm says that a ring goes with the last process that has it open',
  async () => {
    const [used, unused] = [namedRing(), namedRing()]
    used.consumer()
    const missing = uniqueName()
    const open = 'is open in some process; it goes with the last of them, and cannot be removed'
    expect(await sluice(['rm', used.name, unused.name, missing]).finished).toMatchObject({
      code: 1,
      stderr:
        `sluice rm: ${used.name} is in use by process ${String(process.pid)}; --force removes its name\n` +
        `sluice rm: ${unused.name} ${open}\n` +
        `sluice rm: there is no ${missing}\n`,
    })
    expect(await sluice(['rm', '--force', used.name]).finished).toMatchObject({
      code: 1,
      stderr: `sluice rm: ${used.name} ${open}\n`,
    })
    unused.producer().abandon()
    expect(await sluice(['rm', '--dead', used.name, unused.name]).finished).toMatchObject({
      code: 0,
      stdout: Buffer.alloc(0),
      stderr: `sluice rm: ${unused.name} ${open}\n`,
    })
    expect([exists(used.name), exists(unused.name)]).toEqual([true, true])
  },
)

// Root may write everything: only another user sees it read-only.
asRootForOthers('a ring of another user can be looked at as far as it is open', async () => {
  const name = uniqueName()
  closedAfterTest(Ring.create(name, { mode: 0o644 })).producer()
  const { stdout } = await sluice(['ls', '--json', '--interval', '0'], { uid: 65534 }).finished
  const row = (JSON.parse(stdout.toString()) as Row[]).find((each) => each.name === name)
  expect(row).toMatchObject({
    capacity: 2 ** 20,
    producer: { pid: process.pid, state: 'unknown' },
    consumer: { state: 'never' },
  })
})
