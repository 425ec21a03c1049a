/** What the system and other processes tell, taken apart: true texts, and any others. */
import fc from 'fast-check'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { perSecond } from '../../lib/cli/rings.js'
import { listeningSockets } from '../../lib/cli/stat/listening_sockets.js'
import { namelessMount, withMemory } from '../../lib/cli/stat/memory_objects.js'
import { memoryMountsOf, tmpfsMounts } from '../../lib/cli/stat/mounts.js'
import { nameIn } from '../../lib/cli/stat/open_rings.js'
import { kindOf, programIn } from '../../lib/cli/stat/processes.js'
import { holdsRole, parseRoleLocks } from '../../lib/cli/stat/role_locks.js'
import { addressOfSocket } from '../../lib/cli/stat/servers.js'
import { fitted } from '../../lib/cli/stat/tables.js'
import { viewHeader } from '../../lib/ring/header_view.js'
import { makeFifo, temporaryFolder } from '../support/folder.js'
import { onlyIf, unixOnly } from '../support/platform.js'
import { started } from '../support/start.js'

const heading = 'Num       RefCount Protocol Flags    Type St Inode Path'

function socketLine(flags: string, state: string, inode: number, name?: string): string {
  const end = name === undefined ? '' : ` ${name}`
  const number = String(inode).padStart(5)
  return `00000000b2311d9e: 00000002 00000000 ${flags} 0001 ${state} ${number}${end}`
}
const listener = (inode: number, name: string) => socketLine('00010000', '01', inode, name)
const accepted = (inode: number, name: string) => socketLine('00000000', '03', inode, name)
const waiting = (name: string) => socketLine('00000000', '02', 0, name)

describe('the list of Unix sockets', () => {
  test('has those that listen, with their connections', () => {
    const lines = [
      heading,
      listener(7, '/run/app.sock'),
      accepted(258848, '/run/app.sock'),
      accepted(258849, '/run/app.sock'),
      waiting('/run/app.sock'),
      waiting('/run/app.sock'),
      waiting('/run/app.sock'),
      listener(8, '@a name with spaces@@'),
      accepted(10, '/run/other.sock'),
      socketLine('00000000', '03', 11),
      '',
    ]
    expect(listeningSockets(lines.join('\n'))).toEqual([
      { inode: 7, name: '/run/app.sock', connections: 2, waiting: 3 },
      { inode: 8, name: '@a name with spaces@@', connections: 0, waiting: 0 },
    ])
  })

  test('does not tell whose the connections are when two have one name', () => {
    const lines = [listener(7, 's'), listener(8, 's'), accepted(9, 's')]
    expect(listeningSockets(lines.join('\n'))).toEqual([
      { inode: 7, name: 's', connections: undefined, waiting: undefined },
      { inode: 8, name: 's', connections: undefined, waiting: undefined },
    ])
  })

  test('is not believed about a socket for which a name with a line break has a line of its own', () => {
    const forged = `@x\n${listener(7, '/forged')}`
    for (const lines of [
      [listener(7, '/true'), listener(8, forged)],
      [listener(8, forged), listener(7, '/true')],
    ]) {
      const found = listeningSockets(lines.join('\n'))
      expect(found.filter(({ inode }) => inode === 7)).toEqual([
        { inode: 7, name: undefined, connections: undefined, waiting: undefined },
      ])
    }
  })

  test('may be any text', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(heading, listener(1, '/a'), accepted(2, '/a'), waiting('/a')),
      fc
        .tuple(fc.constantFrom(listener(1, '/a'), waiting('@b')), fc.nat(80), fc.string())
        .map(([text, at, end]) => text.slice(0, at) + end),
    )
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const found = listeningSockets(lines.join('\n'))
        const inodes = found.map(({ inode }) => inode)
        expect(new Set(inodes).size).toBe(inodes.length)
        for (const { inode, name, connections = 0, waiting: clients = 0 } of found) {
          expect(Number.isSafeInteger(inode)).toBe(true)
          expect(name).not.toBe('')
          expect(connections + clients).toBeLessThanOrEqual(lines.join('\n').length)
        }
      }),
    )
  })
})

describe('locks of roles', () => {
  const text = [
    '1: OFDLCK ADVISORY  WRITE -1 00:01:13801 256 256',
    '2: OFDLCK ADVISORY  WRITE -1 00:1b:2200 128 128',
    '3: OFDLCK ADVISORY  READ  -1 00:01:7 128 128',
    '4: POSIX  ADVISORY  WRITE 4 00:01:8 128 128',
    '5: OFDLCK ADVISORY  WRITE -1 00:01:9 0 EOF',
    '5: -> OFDLCK ADVISORY  WRITE -1 00:01:9 128 256',
  ].join('\n')

  test('are those on the byte of the role, of this file alone', () => {
    const locks = parseRoleLocks(text)
    expect([...locks]).toEqual(['00:01:13801:256', '00:1b:2200:128'])
    const memory = { dev: 1n, ino: 13801n }
    expect(holdsRole(locks, memory, 'consumer')).toBe(true)
    expect(holdsRole(locks, memory, 'producer')).toBe(false)
    expect(holdsRole(locks, { ...memory, dev: 0x1bn }, 'consumer')).toBe(false)
    expect(holdsRole(locks, { dev: 0x1bn, ino: 2200n }, 'producer')).toBe(true)
  })

  test('are told of one descriptor in its fdinfo', () => {
    const info = `pos:\t0\nflags:\t02100002\nmnt_id:\t0\nino:\t13801\nlock:\t${text.split('\n')[0] ?? ''}\n`
    expect([...parseRoleLocks(info)]).toEqual(['00:01:13801:256'])
  })

  test('have large numbers of devices, too', () => {
    const locks = parseRoleLocks('1: OFDLCK ADVISORY  WRITE -1 103:12345:4 128 128')
    // makedev(0x103, 0x12345)
    expect(holdsRole(locks, { dev: 0x12310345n, ino: 4n }, 'producer')).toBe(true)
  })

  test('may be any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(60), (any, at) => {
        parseRoleLocks(any)
        parseRoleLocks(text.slice(0, at) + any + text.slice(at))
      }),
    )
  })
})

describe('a header', () => {
  /** Words by their offsets. */
  function header(words: Record<number, number> = {}): ArrayBuffer {
    const bytes = Buffer.alloc(4096)
    bytes.write('SLUICERG')
    const all = { 8: 2 << 16, 12: 4096, 16: 4096, ...words }
    for (const [at, word] of Object.entries(all)) bytes.writeUInt32LE(word, Number(at))
    return new Uint8Array(bytes).buffer
  }

  test('tells capacity, fill, who is at the ends, and who sleeps', () => {
    const words = {
      ...{ 128: 96, 132: 4, 136: 1, 140: 1234, 512: 0x80000000 },
      ...{ 256: 2 ** 32 - 32, 260: 2, 264: 2, 268: 5678, 384: 0x80000001 },
    }
    expect(viewHeader(header(words), 8192)).toEqual({
      capacity: 4096,
      used: 128,
      tail: 96,
      producer: { state: 'open', pid: 1234, messages: 4, parked: 0 },
      consumer: { state: 'closed', pid: 5678, messages: 2, parked: 1 },
    })
    const nobody = { state: 'never', messages: 0, parked: 0 }
    expect(viewHeader(header(), 8192)).toMatchObject({ producer: nobody, consumer: nobody })
  })

  test.each([
    ['is cut short', header(), 8191],
    ['has another version', header({ 8: 3 << 16 }), 8192],
    ['is not ready', header({ 8: 0 }), 8192],
    ['has another size', header({ 12: 8192 }), 8192],
    ['has no capacity', header({ 16: 0 }), 8192],
    ['has a capacity that is no power of two', header({ 16: 4104 }), 16384],
    ['has one that is too large', header({ 16: 2 ** 31 }), 2 ** 40],
    ['has no magic', header({ 0: 0 }), 8192],
  ])('that %s is none', (_, bytes, size) => {
    expect(viewHeader(bytes, size)).toBeUndefined()
  })

  test('may be any bytes', () => {
    const words = fc.dictionary(
      fc.constantFrom('8', '12', '16', '128', '132', '136', '140', '256', '264', '384', '512'),
      fc.nat(2 ** 32 - 1),
    )
    fc.assert(
      fc.property(words, fc.nat(2 ** 31), (any, size) => {
        const view = viewHeader(header(any), size)
        if (view === undefined) return
        expect(view.used).toBeLessThanOrEqual(view.capacity)
        expect(view.capacity + 4096).toBeLessThanOrEqual(size)
        for (const { parked } of [view.producer, view.consumer]) {
          expect(parked).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })
})

describe('mounts', () => {
  const text = [
    '23 28 0:21 / /proc rw,relatime shared:12 - proc proc rw',
    '29 24 0:26 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,inode64',
    '30 24 0:30 / /a\\040-\\040tmpfs rw - fuse.evil - rw',
    '31 24 0:31 / /b rw - ext4 - tmpfs - tmpfs',
    '32 24 0:32 / /c rw,relatime - tmpfs shm rw',
  ].join('\n')

  test('are those of memory by their type alone', () => {
    expect([...tmpfsMounts(text)]).toEqual(['29', '32'])
  })

  test('may be any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(60), (any, at) => {
        tmpfsMounts(any)
        tmpfsMounts(text.slice(0, at) + any + text.slice(at))
      }),
    )
  })
})

describe('links of descriptors', () => {
  test.each([
    ['socket:[258848]', { inode: 258848 }],
    ['socket:[]', undefined],
    ['/tmp/socket:[1]', undefined],
    ['/memfd:sluice (deleted)', 'memory'],
    ['/dev/shm/ticks', 'memory'],
    ['/dev/shmx', undefined],
    ['pipe:[1]', undefined],
    ['anon_inode:[eventfd]', undefined],
    ['', undefined],
  ])('%j leads to %j', (target, kind) => {
    expect(kindOf(target)).toEqual(kind)
  })

  test.each([
    ['/dev/shm/ticks', '/ticks'],
    ['/dev/shm/ticks (deleted)', undefined],
    ['/memfd:sluice (deleted)', undefined],
    ['/memfd:/dev/shm/ticks', undefined],
    ['/run/ticks', undefined],
  ])('%j has the name %j', (target, name) => {
    expect(nameIn(target)).toBe(name)
  })
})

test.each([
  ['/usr/bin/node\0/srv/app/server.js\0--port\0' + '80\0', 'node server.js'],
  ['node\0--require\0/x/suppress.cjs\0/x/worker.js\0', 'node worker.js'],
  ['node\0--enable-source-maps\0server.mjs\0', 'node server.mjs'],
  ['node\0dist/server\0', 'node server'],
  ['node\0-e\0password = 1\0', 'node'],
  ['node\0', 'node'],
  ['my title', 'my title'],
  [`/bin/${'x'.repeat(300)}`, `${'x'.repeat(39)}\u2026`],
  ['', undefined],
  ['\0\0', undefined],
])('the command line %j is shown as %j', (line, program) => {
  expect(programIn(line)).toBe(program)
})

unixOnly('the paths are those of Unix sockets')('addresses are those of connect', () => {
  const address = (name: string) => addressOfSocket(name, '/run/user/1/sluice')
  expect(address('/run/user/1/sluice/app.sock')).toBe('pipe:app')
  expect(address('/run/user/1/sluice/deep/app.sock')).toBe('unix:/run/user/1/sluice/deep/app.sock')
  expect(address('/run/user/1/sluice/app')).toBe('unix:/run/user/1/sluice/app')
  expect(address('/run/user/1/sluice/.sock')).toBe('unix:/run/user/1/sluice/.sock')
  expect(address('@app')).toBe('unix:@app')
})

test('rates count over the wrap', () => {
  expect(perSecond(100, 300, 2)).toBe(100)
  expect(perSecond(2 ** 32 - 50, 50, 1)).toBe(100)
})

test('a text is cut to the rows that there are', () => {
  expect(fitted('a\nb\nc', 3)).toBe('a\nb\nc')
  expect(fitted('a\nb\nc\nd', 3)).toBe('a\nb\n... and 2 more lines')
  expect(fitted('a\nb\nc', 0)).toBe('a\n... and 2 more lines')
})

onlyIf(process.platform === 'linux', 'processes are seen in /proc on Linux')(
  'a process that is ending has no mounts, and that is no failure',
  async () => {
    // Its parent has become another program, which does not ask how it ended.
    const parent = started(spawn('sh', ['-c', 'true & echo $!; exec sleep 60']))
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line)
    await expect.poll(() => readFileSync(`/proc/${String(pid)}/stat`, 'utf8')).toContain(') Z ')
    expect(memoryMountsOf(pid, undefined)('1')).toBe(false)
  },
)

onlyIf(process.platform === 'linux', 'mounts are numbered on Linux')(
  'only what is where memory lies is touched, whatever its name',
  () => {
    const folder = join(temporaryFolder(), 'dev/shm')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'ring'), 'SLUICERG')
    makeFifo(join(folder, 'fifo')) // to open it would be to wait for a writer
    const nameless = namelessMount()
    const isMemory = memoryMountsOf(process.pid, nameless)
    const isNameless = (mount: string) => mount === nameless // also where /tmp is a tmpfs
    for (const name of ['ring', 'fifo', 'missing']) {
      expect(withMemory(join(folder, name), isNameless, () => true)).toBeUndefined()
    }
    // Of what is there, regular files alone.
    expect(withMemory('/dev/shm', isMemory, () => true)).toBeUndefined()
  },
)
