/** `sluice stat` beside real servers, channels and rings. */
import { once } from 'node:events'
import { chmodSync, closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connect, connectUnix, isSystemError, listen, Ring } from '../../lib/index.js'
import { stat } from '../../lib/cli/stat.js'
import { look } from '../../lib/cli/stat/look.js'
import { namelessMount } from '../../lib/cli/stat/memory_objects.js'
import { ownProcesses } from '../../lib/cli/stat/processes.js'
import { channels, channelServer } from '../support/channels.js'
import { Child } from '../support/child.js'
import { Command, node, root, sluice } from '../support/command.js'
import { makeFifo, temporaryFolder } from '../support/folder.js'
import { asRootForOthers, canMount, needsProgram, onlyIf, skipAllIf } from '../support/platform.js'
import { noMoreDescriptorsThan, openDescriptors } from '../support/resources.js'
import { closedAfterTest, namedRing, uniqueName } from '../support/rings.js'
import { abstractName, listening, socketPath } from '../support/sockets.js'
import { ringsOf, serverAt, statReport, statReports } from '../support/stat.js'

const onLinux = process.platform === 'linux'
const onlyOnLinux = 'only Linux tells what other processes have open'
const some = expect.any(Number) as number
const positive = expect.toSatisfy((rate: number) => rate > 0) as number
const ours = { pid: process.pid, program: expect.stringContaining('node') as string }

/** A client of a server of channels, or such a server. */
function channelPeer(how: 'connect' | 'listen', address: string, options = {}): Child {
  const args = ['transport_channel.mjs', JSON.stringify(options), how, address]
  return new Child('transport_peer.mjs', args)
}

function fixture(name: string): string {
  return `${root}test/fixtures/${name}`
}

/** Takes a byte out of a pipe, if there is one. */
function hasBytes(pipe: number): boolean {
  try {
    return readSync(pipe, Buffer.alloc(1)) > 0
  } catch (error) {
    if (isSystemError(error, 'EAGAIN')) return false
    throw error
  }
}

describe('servers', () => {
  skipAllIf(!onLinux, onlyOnLinux)

  test('with their connections, the clients that wait, and whose they are', async () => {
    const server = await listening()
    const clients = await Promise.all([1, 2, 3].map(() => connectUnix(server.address)))
    for (const client of clients) closedAfterTest(client)
    const row = {
      address: `unix:${server.address}`,
      inode: some,
      processes: [ours],
      connections: 0,
      waiting: 3,
    }
    expect(serverAt(await statReport(), row.address)).toEqual(row)
    for (let i = 0; i < 3; i++) closedAfterTest(await server.accept())
    expect(serverAt(await statReport(), row.address)).toEqual({
      ...row,
      connections: 3,
      waiting: 0,
    })
    const { stdout } = await sluice(['stat', '--interval', '0.1']).finished
    const lines = stdout.toString().split('\n')
    expect(lines[0]).toMatch(/^SERVER +PROCESS +CONNECTIONS +WAITING$/)
    const line = lines.find((text) => text.startsWith(`unix:${server.address} `))
    expect(line).toMatch(new RegExp(` ${String(process.pid)} node.* +3 +0$`))
  })

  test('with an abstract name', async () => {
    const name = abstractName()
    await listening({}, name)
    expect(serverAt(await statReport(), `unix:${name}`)).toMatchObject({ connections: 0 })
  })

  test('in the runtime directory, by the name that they were given', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o700)
    const env = { XDG_RUNTIME_DIR: folder }
    const program = "import { listen } from 'sluice'; await listen('shm:app'); console.log(1)"
    const command = node(['--input-type=module', '-e', program], { env })
    await once(command.stdout, 'data')
    expect(serverAt(await statReport([], { env }), 'pipe:app')).toMatchObject({
      processes: [{ pid: command.pid, program: 'node' }],
    })
    const elsewhere = await statReport([], { env: { XDG_RUNTIME_DIR: temporaryFolder() } })
    expect(serverAt(elsewhere, `unix:${folder}/sluice/app.sock`)).toBeDefined()
  })

  test('of other programs only with --all', async () => {
    const path = socketPath()
    const command = node(['-e', `net.createServer().listen(${JSON.stringify(path)}, console.log)`])
    await once(command.stdout, 'data')
    expect(serverAt(await statReport(), `unix:${path}`)).toBeUndefined()
    expect(serverAt(await statReport(['--all']), `unix:${path}`)).toMatchObject({
      processes: [{ pid: command.pid }],
    })
  })

  test('that share a name do not share their connections out', async () => {
    const program = "net.createServer().listen('same-path', console.log)"
    for (const cwd of [temporaryFolder(), temporaryFolder()]) {
      await once(node(['-e', program], { cwd }).stdout, 'data')
    }
    const { servers } = await statReport(['--all'])
    const unknown = { address: 'unix:same-path', connections: null, waiting: null }
    expect(servers.filter(({ address }) => address === unknown.address)).toMatchObject([
      unknown,
      unknown,
    ])
  })
})

describe('channels', () => {
  skipAllIf(!onLinux, onlyOnLinux)

  test('with both peers, what they wait for, and their rates', async () => {
    const server = await channelServer()
    const child = channelPeer('connect', server.address)
    const channel = closedAfterTest(await server.accept())
    channel.on('error', () => undefined)
    await child.next()
    channel.resume()
    await child.ask(['resume'])
    const theirs = { pid: child.pid, program: 'node transport_peer.mjs' }
    const idle = await expect
      .poll(() => statReport().then((report) => ringsOf(report, child.pid)))
      .toMatchObject([{ consumer: { waits: true } }, { consumer: { waits: true } }])
      .then(() => statReport())
    const side = { state: 'alive', messages: 0, messagesPerSecond: 0 }
    const ring = { name: null, inode: some, capacity: 2 ** 18, used: 0, bytesPerSecond: 0 }
    expect(ringsOf(idle, child.pid)).toEqual([
      {
        ...ring,
        producer: { ...theirs, ...side, waits: false },
        consumer: { ...ours, ...side, waits: true },
      },
      {
        ...ring,
        producer: { ...ours, ...side, waits: false },
        consumer: { ...theirs, ...side, waits: true },
      },
    ])
    expect(serverAt(idle, `unix:${server.address}`)).toMatchObject({ connections: 1 })

    await child.ask(['count'])
    expect(ringsOf(await statReport(), child.pid)).toMatchObject([
      {
        bytesPerSecond: positive,
        producer: { messagesPerSecond: positive },
        consumer: { messagesPerSecond: positive },
      },
      { bytesPerSecond: 0, producer: { messagesPerSecond: 0 } },
    ])
  })

  test('whose producer waits for room', async () => {
    const server = await channelServer({ capacity: 65536 })
    const child = channelPeer('connect', server.address)
    closedAfterTest(await server.accept()).on('error', () => undefined)
    await child.next()
    await child.ask(['flood', 1_000_000])
    await expect
      .poll(async () => ringsOf(await statReport(), child.pid)[0])
      .toMatchObject({
        capacity: 65536,
        used: expect.toSatisfy((used: number) => used > 32768 && used <= 65536) as number,
        producer: { pid: child.pid, state: 'alive', waits: true },
        consumer: { pid: process.pid, state: 'alive', waits: false },
      })
    const { stdout } = await sluice(['stat', '--interval', '0.1']).finished
    const line = stdout
      .toString()
      .split('\n')
      .find((text) => text.includes(` ${String(child.pid)} node`) && text.endsWith('room'))
    expect(line).toMatch(/^#\d+ +64 KiB +\d+% .* producer for room$/)
  })

  test('whose peer was killed', async () => {
    const address = socketPath()
    const server = channelPeer('listen', address)
    await server.next()
    const client = channelPeer('connect', address)
    await client.next()
    await expect.poll(async () => ringsOf(await statReport(), client.pid)).toHaveLength(2)
    await server.ask(['resume'])
    server.kill('SIGSTOP') // it would close the channel
    client.kill('SIGKILL')
    await client.exited
    const dead = { pid: client.pid, program: null, state: 'dead', waits: false }
    const alive = { pid: server.pid, state: 'alive' }
    expect(ringsOf(await statReport(), client.pid)).toMatchObject([
      { producer: dead, consumer: alive },
      { producer: alive, consumer: dead },
    ])
    server.kill('SIGCONT')
    await expect.poll(async () => ringsOf(await statReport(), client.pid)).toEqual([])
  })

  test('that are both ends in one process', async () => {
    const before = ringsOf(await statReport(), process.pid)
    await channels()
    expect(ringsOf(await statReport(), process.pid)).toHaveLength(before.length + 2)
  })
})

describe('rings', () => {
  skipAllIf(!onLinux, onlyOnLinux)

  test('with a name, and without when it was removed', async () => {
    const ring = namedRing()
    const producer = ring.producer()
    producer.tryWrite(Buffer.alloc(100))
    const found = async () => (await statReport()).rings.find(({ name }) => name === ring.name)
    const row = await found()
    expect(row).toMatchObject({
      capacity: 4096,
      used: 112,
      producer: { ...ours, state: 'alive', messages: 1 },
      consumer: { pid: null, program: null, state: 'never' },
    })
    ring.unlink()
    expect(await found()).toBeUndefined()
    expect((await statReport()).rings).toContainEqual({ ...row, name: null })
    producer.close()
    expect((await statReport()).rings).toContainEqual(
      expect.objectContaining({
        inode: row?.inode,
        producer: expect.objectContaining({ state: 'closed', program: null }) as unknown,
      }),
    )
  })

  test('of a process that inherited one, and of one that died with a role', async () => {
    const ring = closedAfterTest(Ring.anonymous({ capacity: 8192 }))
    const child = new Child('remote.mjs', [3], { descriptors: [ring.fd] })
    await child.next()
    await child.ask(['open'])
    await child.ask(['consumer'])
    expect(ringsOf(await statReport(), child.pid)).toMatchObject([
      { producer: { state: 'never' }, consumer: { state: 'alive', program: 'node remote.mjs' } },
    ])
    child.kill('SIGKILL')
    await child.exited
    expect(ringsOf(await statReport(), child.pid)).toMatchObject([
      { producer: { state: 'never' }, consumer: { state: 'dead', program: null } },
    ])
  })

  onlyIf(canMount(), 'mounts of its own need Linux and its root')(
    'of processes with other mounts, which may have names of their own',
    async () => {
      const ring = namedRing()
      const inOther = async (name: string, script: string): Promise<Child> => {
        const options = { program: 'unshare', execArgv: ['--mount', 'sh', '-c', script, 'sh'] }
        const args = [process.execPath, fixture('remote.mjs'), name]
        const child = new Child('/bin/sh', ['-c', 'exec "$@"', 'sh', ...args], options)
        await child.next()
        await child.ask(['openOrCreate'])
        await child.ask(['producer'])
        return child
      }
      const confined = await inOther(ring.name, 'exec "$@"')
      const contained = await inOther(ring.name, 'mount -t tmpfs none /dev/shm && exec "$@"')
      const report = await statReport()
      expect(ringsOf(report, confined.pid)).toMatchObject([{ name: ring.name }])
      expect(ringsOf(report, contained.pid)).toMatchObject([{ name: null }])
    },
  )

  needsProgram('python3')('that are none, or that lie, do no harm', async () => {
    const name = uniqueName()
    const path = fixture('strange_memory.py')
    const child = new Child(path, [name], { program: 'python3' })
    const inode = await child.next<number>()
    const held = openDescriptors()
    const scope = { nameless: namelessMount(), all: false }
    const { signal } = new AbortController()
    const { rings } = await look(scope, signal)
    expect(rings.filter(({ name: its }) => its === name)).toEqual([])
    const report = await statReport()
    expect(report.rings).toContainEqual({
      name: null,
      inode,
      capacity: 4096,
      used: 0,
      bytesPerSecond: 0,
      producer: {
        pid: 2 ** 32 - 1,
        program: null,
        state: 'closed',
        messages: 2 ** 32 - 1,
        messagesPerSecond: 0,
        waits: false,
      },
      consumer: expect.objectContaining({ state: 'closed', waits: false }) as unknown,
    })
    await noMoreDescriptorsThan(held)
    child.hangUp()
    await child.finish()
  })
})

describe('--watch', () => {
  skipAllIf(!onLinux, onlyOnLinux)
  const watch = (...more: string[]) => sluice(['stat', '--watch', '--interval', '0.1', ...more])

  test('goes on when a process ends between two looks, and ends with Ctrl-C', async () => {
    const ring = namedRing()
    const child = new Child('remote.mjs', [ring.name])
    await child.next()
    await child.ask(['open'])
    await child.ask(['producer'])
    const command = watch('--json')
    const seen: (string | undefined)[] = []
    for await (const report of statReports(command)) {
      seen.push(ringsOf(report, child.pid)[0]?.producer.state)
      if (seen.length === 1) child.kill('SIGKILL')
      if (seen.at(-1) === 'dead') break
    }
    expect(seen[0]).toBe('alive')
    command.kill('SIGINT')
    expect(await command.finished).toMatchObject({
      code: 130,
      stderr: 'sluice stat: interrupted by SIGINT\n',
    })
  })

  test('prints a block for each look where there is no terminal', async () => {
    await listening()
    const command = watch()
    let text = ''
    for await (const chunk of command.stdout) {
      text += String(chunk)
      if (text.split('SERVER').length > 3) break
    }
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z\nSERVER +PROCESS[^]*\n\n\d{4}-/)
    expect(text).not.toContain('\u001b')
    // Nobody reads any more.
    expect(await command.finished).toMatchObject({ code: 141, stderr: '' })
  })

  test('ends while nobody takes what it prints', async () => {
    for (let i = 0; i < 250; i++) namedRing() // a look is more than a pipe holds
    const fifo = join(temporaryFolder(), 'fifo')
    makeFifo(fifo)
    const pipe = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
    onTestFinished(() => {
      closeSync(pipe)
    })
    const args = [fifo, process.execPath, `${root}dist/cli.cjs`, 'stat', '--watch', '--json']
    const command = new Command('sh', ['-c', 'to=$1; shift; exec "$@" > "$to"', 'sh', ...args])
    await expect.poll(() => hasBytes(pipe)).toBe(true)
    command.kill('SIGTERM')
    expect(await command.finished).toMatchObject({
      code: 143,
      stderr: 'sluice stat: interrupted by SIGTERM\n',
    })
  })

  needsProgram('python3')(
    'draws over the last look on a terminal, and no more than fits',
    async () => {
      for (let i = 0; i < 8; i++) namedRing()
      const sluiceStat = [
        process.execPath,
        `${root}dist/cli.cjs`,
        'stat',
        '-w',
        '--interval',
        '0.1',
      ]
      const command = new Command('python3', ['test/fixtures/terminal.py', '6', ...sluiceStat])
      let text = ''
      for await (const chunk of command.stdout) {
        text += String(chunk)
        if (text.split('more lines').length > 2) break
      }
      command.kill('SIGINT')
      const [, first = ''] = text.split('\u001b[1;1H\u001b[0J')
      expect(first.trimEnd().split('\r\n')).toHaveLength(5)
      expect(first).toMatch(/\.\.\. and \d+ more lines\r\n$/)
    },
  )
})

describe('other users', () => {
  skipAllIf(!onLinux, onlyOnLinux)
  const nobodyElse = 64321 // a user without any other process

  asRootForOthers('see nothing of ours, which is said', async () => {
    await listening()
    await channels()
    const args = ['stat', '--all', '--interval', '0.1']
    const { code, stdout, stderr } = await sluice(args, { uid: nobodyElse }).finished
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: '',
      stderr: 'sluice stat: there are no servers and no rings\n',
    })
    expect(await statReport([], { uid: nobodyElse })).toEqual({
      time: expect.any(String) as string,
      seconds: some,
      servers: [],
      rings: [],
      unreadable: 0,
      complete: true,
    })
  })

  asRootForOthers('may not look at their own processes that have more rights', async () => {
    const path = fixture('guarded.py')
    const user = nobodyElse + 1
    const child = new Child(path, [], { program: 'python3', uid: user })
    await child.next()
    const { code, stderr } = await sluice(['stat', '--interval', '0.1'], { uid: user }).finished
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'sluice stat: there are no servers and no rings; ' +
        "1 of this user's processes may not be looked at\n",
    })
  })

  asRootForOthers('see of a channel with us their own end, and that the other lives', async () => {
    const server = await channelServer({ mode: 0o666 })
    chmodSync(server.address.replace(/\/[^/]*$/, ''), 0o755)
    const user = nobodyElse + 2
    const args = ['transport_channel.mjs', '{}', 'connect', server.address]
    const child = new Child('transport_peer.mjs', args, { uid: user })
    closedAfterTest(await server.accept()).on('error', () => undefined)
    await child.next()
    const theirs = { pid: child.pid, program: 'node transport_peer.mjs', state: 'alive' }
    const unseen = { pid: process.pid, program: null, state: 'alive' }
    expect(ringsOf(await statReport([], { uid: user }), child.pid)).toMatchObject([
      { producer: theirs, consumer: unseen },
      { producer: unseen, consumer: theirs },
    ])
  })
})

test('elsewhere than on Linux it says what there is instead', async () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') ?? {}
  onTestFinished(() => {
    Object.defineProperty(process, 'platform', platform)
  })
  Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' })
  await expect(stat({ interval: 100 })).rejects.toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/^works on Linux alone: darwin .*"sluice ls"/) as string,
  })
})

describe('a look', () => {
  skipAllIf(!onLinux, onlyOnLinux)

  test('leaves nothing behind, and can be interrupted', async () => {
    const server = await listen(`unix:${socketPath()}`)
    closedAfterTest(server)
    const client = closedAfterTest(await connect(server.address))
    expect(client.destroyed).toBe(false)
    const scope = { nameless: namelessMount(), all: true }
    const held = openDescriptors()
    for (let i = 0; i < 5; i++) await look(scope, new AbortController().signal)
    await noMoreDescriptorsThan(held)
    const stop = new AbortController()
    const looking = look(scope, stop.signal)
    stop.abort(new Error('enough'))
    await expect(looking).rejects.toThrow('enough')
    await noMoreDescriptorsThan(held)
  })

  test('goes so far and says that there is more', async () => {
    const { signal } = new AbortController()
    const limits = { processes: 10_000, descriptorsEach: 1000, descriptors: 2 }
    const { processes, isCutShort } = await ownProcesses(signal, limits)
    const found = processes.flatMap(({ sockets, memory }) => [...sockets, ...memory])
    expect(found.length).toBeLessThanOrEqual(2)
    expect(isCutShort).toBe(true)
    expect(await ownProcesses(signal, { ...limits, processes: 1 })).toMatchObject({
      isCutShort: true,
    })
  })
})
