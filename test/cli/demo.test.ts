import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { node, type CommandOptions } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { onWindows, skipAllIf } from '../support/platform.js'

skipAllIf(onWindows, 'the demo compares a ring with a Unix socket')

const demo = (args: string[], options?: CommandOptions) => node(['dist/demo.cjs', ...args], options)

function fileWith(content: Buffer): string {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, content)
  return file
}

test('sends a file through a ring and a socket, and compares the hashes', async () => {
  const content = randomBytes(3_000_001)
  const folder = temporaryFolder()
  const { code, stdout, stderr } = await demo([fileWith(content), '--rounds', '2'], {
    env: { TMPDIR: folder },
  }).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const text = stdout.toString()
  expect(text).toMatch(/^sluice ring +3\.0 +\d\.\d{4} +\d+\.\d\d +\d+\.\dx +ok$/m)
  expect(text).toMatch(/^net, Unix socket +3\.0 +\d\.\d{4} +\d+\.\d\d +1\.0x +ok$/m)
  const hash = createHash('sha256').update(content).digest('hex')
  expect(text.match(/^SHA-256 (ring|socket) +(sent|received) +(\w+)$/gm)).toHaveLength(4)
  expect(text.split(hash)).toHaveLength(5)
  expect(readdirSync(folder)).toEqual([])
})

test('sends the running node binary by default', async () => {
  const { code, stdout } = await demo(['--rounds', '1']).finished
  expect(code).toBe(0)
  expect(stdout.toString()).toContain(process.execPath)
})

test('many rounds end without a warning', async () => {
  const { code, stderr } = await demo([fileWith(randomBytes(1000)), '--rounds', '50']).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test('an empty file is no special case', async () => {
  const { code, stdout } = await demo([fileWith(Buffer.alloc(0))]).finished
  expect(code).toBe(0)
  expect(stdout.toString()).toContain(createHash('sha256').digest('hex'))
})

// With SLUICE_DEMO_CORRUPT=ring (or socket) the demo's receiver changes one byte of what it got.
test.each(['ring', 'socket'])('fails when the %s delivers something else', async (transport) => {
  const { code, stdout, stderr } = await demo([fileWith(Buffer.from('abc'))], {
    env: { SLUICE_DEMO_CORRUPT: transport },
  }).finished
  expect(code).toBe(1)
  expect(stdout.toString()).toContain('DIFFERENT')
  expect(stderr).toContain(`the ${transport} delivered something else than was sent`)
})

test.each([
  [['/no/such/file'], 1, 'cannot read /no/such/file: no such file or directory'],
  [['/tmp'], 1, 'cannot read /tmp: is a directory'],
  [['/dev/null'], 1, 'cannot read /dev/null: is not a regular file'],
  [['--rounds', '0'], 2, 'Expected a whole number from 1 to 1000'],
  [['a', 'b'], 2, 'too many arguments'],
])('%j ends with a clean message', async (args, code, message) => {
  const result = await demo(args).finished
  expect(result.code).toBe(code)
  expect(result.stderr).toContain(message)
  expect(result.stderr).not.toContain('    at ')
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s ends it, and it leaves nothing behind', async (signal, code) => {
  const folder = temporaryFolder()
  const command = demo(['--rounds', '1000'], { env: { TMPDIR: folder } })
  await expect.poll(() => readdirSync(folder).length).toBe(1)
  command.kill(signal)
  expect((await command.finished).code).toBe(code)
  expect(readdirSync(folder)).toEqual([])
})

test('--help tells what is measured', async () => {
  const { code, stdout } = await demo(['--help']).finished
  expect(code).toBe(0)
  expect(stdout.toString()).toContain('Usage: npm start --')
})
