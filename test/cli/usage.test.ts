import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { version as exported } from '../../lib/index.js'
import { root, sluice } from '../support/command.js'
import { onWindows } from '../support/platform.js'

test.each([
  [[], 'Usage: sluice [options] [command]'],
  [['frobnicate'], "unknown command 'frobnicate'"],
  [['--frobnicate'], "unknown option '--frobnicate'"],
  [['send'], "missing required argument 'target'"],
  [['send', 'a', 'b', 'c'], 'too many arguments'],
  [['recv', 'a', '--no-wait'], "unknown option '--no-wait'"],
  [['send', 'a', '--capacity', '5000'], 'Expected a power of two from 4K to 1G'],
  [['send', 'a', '--capacity', '2G'], 'Expected a power of two from 4K to 1G'],
  [['send', 'a', '--mode', '900'], 'Expected permission bits in octal'],
  [['recv', 'a', '--timeout', 'soon'], 'Expected a number of seconds'],
  [['recv', 'a', '--timeout', '-1'], 'Expected a number of seconds'],
  [
    ['recv', 'a', '--owner', 'root'],
    onWindows ? "Expected a user's SID" : "Expected a user's numeric id",
  ],
  [['nc', 'pipe:a', '--datagram'], '--seqpacket and --datagram are for Unix sockets'],
  [['nc', 'unix:/a', '--message'], '--message, --security and --owner are for pipes'],
  [['send', 'tcp:8080'], "with a host; received 'tcp:8080' (perhaps 'tcp:127.0.0.1:8080')"],
  [['recv', 'unix:'], 'an address with a path'],
  [['recv', '--listen', 'tcp:127.0.0.1:65536'], 'with a port from 0 to 65535'],
  [['send', 'http://127.0.0.1/a'], "perhaps 'tcp:127.0.0.1:80'"],
  [['send', 'TCP:127.0.0.1:80'], "perhaps 'tcp:127.0.0.1:80'"],
  [['nc', 'shm:a/b'], "with a name without slashes; received 'shm:a/b' (perhaps 'shm:a-b')"],
  [['nc', 'tcp:::1:80'], "perhaps 'tcp:[::1]:80'"],
  [['nc', 'tcp:127.0.0.1:80', '--mode', '600'], '--mode is for paths'],
  [['nc', 'shm:a', '--seqpacket'], '--seqpacket and --datagram are for Unix sockets'],
  [['send', 'a', '--listen'], '--listen is for addresses'],
  [['send', 'pipe:a', '--no-wait'], '--no-wait is for rings'],
  [['recv', 'pipe:a', '--owner', 'any'], '--owner is for rings'],
  [['recv', 'pipe:a', '--capacity', '64K'], '--capacity is for rings and shm:'],
  [['recv', 'unix:/a', '--mode', '660'], '--mode is for rings, and with --listen for paths'],
  [['recv', 'unix:@a', '-l', '--mode', '660'], '--mode is for rings, and with --listen for paths'],
  [['rm'], 'name the rings to remove, or give --dead'],
  [['stat', 'app'], 'too many arguments'],
  [['stat', '--interval', '0'], 'Expected a number of seconds from 0.1 to 60'],
  [['stat', '--interval', '61'], 'Expected a number of seconds from 0.1 to 60'],
  [['stat', '--interval', ''], 'Expected a number of seconds from 0.1 to 60'],
])('sluice %j is wrong usage', async (args, message) => {
  const { code, stdout, stderr } = await sluice(args).finished
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
})

test.each([
  ['an empty name', ''],
  ['a name with a slash', 'a/b'],
  ['a name that is too long', 'a'.repeat(256)],
])('%s is refused', async (_, name) => {
  for (const command of ['send', 'recv']) {
    const { code, stderr } = await sluice([command, name], { input: 'x' }).finished
    expect(code).toBe(1)
    expect(stderr).toMatch(
      new RegExp(
        `^sluice ${command}: the name of a shared-memory object .*allowed are 1 to ${onWindows ? '200' : '254'} bytes`,
      ),
    )
    expect(stderr).not.toContain('received')
  }
})

test('a usage error shows how to do it', async () => {
  const { stderr } = await sluice(['send']).finished
  expect(stderr).toBe(
    "sluice send: missing required argument 'target'\n" +
      'Usage: sluice send [options] <target> [file]\n' +
      '("sluice send --help" tells more)\n',
  )
})

test('--version is the version of the package, as is the export', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  const { code, stdout } = await sluice(['--version']).finished
  expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: `${version}\n` })
  expect(exported).toBe(version)
})

test.each([[['--help']], [['send', '--help']], [['recv', '--help']], [['stat', '--help']]])(
  '%j shows examples',
  async (args) => {
    const { code, stdout } = await sluice(args).finished
    expect(code).toBe(0)
    expect(stdout.toString()).toContain('Examples:')
  },
)

test('the bundled packages come with their licences', () => {
  const text = readFileSync(join(root, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8')
  for (const name of ['commander', 'cli-progress', 'cli-table3']) {
    expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(MIT\\)$`, 'm'))
  }
})

test('the command uses the library beside it, not a second copy', () => {
  const bundle = readFileSync(join(root, 'dist/cli.cjs'), 'utf8')
  expect(bundle).toContain('require("./index.cjs")')
  expect(bundle).not.toContain('node-gyp-build')
})
