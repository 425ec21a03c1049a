import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'

import { Command, node } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { noFullDevice, onWindows, unixOnly } from '../support/platform.js'
import { namedRing } from '../support/rings.js'

/** Runs a Node program in a shell that prepares its stdout. */
function shell(script: string, args: readonly string[]): Command {
  return new Command('sh', ['-c', script, 'sh', process.execPath, ...args])
}

const commands: readonly (readonly [string, readonly string[]])[] = [
  ['sluice ls', ['dist/cli.cjs', 'ls', '--interval', '0']],
  ...(process.platform === 'linux'
    ? [['sluice stat', ['dist/cli.cjs', 'stat', '--interval', '0.1']] as const]
    : []),
  ['sluice doctor', ['dist/cli.cjs', 'doctor']],
  ['sluice', ['dist/cli.cjs', '--help']],
  ['sluice', ['dist/cli.cjs', 'send', '--help']],
  ['sluice', ['dist/cli.cjs', '--version']],
  ['demo', ['dist/demo.cjs', 'package.json']],
  ['demo', ['dist/demo.cjs', '--help']],
]

unixOnly(noFullDevice).each(commands)(
  '%s says that it could not write its output: %j',
  async (name, args) => {
    namedRing() // for ls and stat to show
    expect(await shell('exec "$@" >/dev/full', args).finished).toMatchObject({
      code: 1,
      stderr: `${name}: cannot write stdout: no space left on the device\n`,
    })
  },
)

// On Windows the demo lacks what it compares with.
const everywhere = commands.filter(([, args]) => !onWindows || !args.includes('package.json'))

test.each(everywhere)('%s ends silently when nobody reads its output: %j', async (_, args) => {
  namedRing()
  const folder = temporaryFolder()
  const command = node(['test/fixtures/when_told.mjs', ...args], { env: { TMPDIR: folder } })
  command.stdout.destroy()
  await once(command.stdout, 'close')
  command.stdin.end('go\n')
  expect(await command.finished).toMatchObject({ code: 141, stderr: '' })
  expect(readdirSync(folder)).toEqual([])
})

unixOnly(noFullDevice)('rm --dead removes everything, though nobody reads what', async () => {
  const rings = [namedRing(), namedRing()]
  for (const ring of rings) ring.producer().abandon()
  const names = rings.map(({ name }) => name)
  const args = ['dist/cli.cjs', 'rm', '--dead', ...names]
  expect((await shell('exec "$@" >/dev/full', args).finished).code).toBe(1)
  const left = readdirSync('/dev/shm')
  for (const name of names) expect(left).not.toContain(name.slice(1))
})
