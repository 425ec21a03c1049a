/** Objects that other users named, made or broke do not reach the terminal, nor hide the rest. */
import { chmodSync, chownSync, closeSync, ftruncateSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'

import { Ring } from '../../lib/index.js'
import { printable, printableLines } from '../../lib/cli/printable.js'
import { sluice } from '../support/command.js'
import { unixOnly } from '../support/platform.js'
import { closedAfterTest, namedRing, uniqueName } from '../support/rings.js'

const controls = '\u001b]0;title\u0007\n\u009b2J\u202e'
const harmless = '\\u001b]0;title\\u0007\\u000a\\u009b2J\\u202e'

unixOnly('the names are those of files')(
  'ls and rm show the names of rings without effect',
  async () => {
    const ring = namedRing()
    const name = `${uniqueName()}${controls}`
    const hostile = closedAfterTest(Ring.create(name))
    const listing = await sluice(['ls', '--interval', '0']).finished
    expect(listing.code).toBe(0)
    const text = listing.stdout.toString()
    expect(text).toContain(harmless)
    expect(text).not.toMatch(/[\u001b\u0007\u009b\u202e]/)
    expect(text.split('\n').filter((line) => line.startsWith(`${ring.name} `))).toHaveLength(1)
    const json = (await sluice(['ls', '--json', '--interval', '0']).finished).stdout.toString()
    expect(json).not.toMatch(/[\u001b\u0007\u009b\u202e]/)
    expect(JSON.parse(json)).toContainEqual(expect.objectContaining({ name }))
    hostile.producer()
    const refused = await sluice(['rm', name]).finished
    expect(refused.stderr).toContain(harmless)
    hostile.close()
    const removed = await sluice(['rm', '--force', name]).finished
    expect(removed).toMatchObject({ code: 0, stderr: '' })
  },
)

unixOnly('objects are files')('an object that cannot be mapped hides no other', async () => {
  const ring = namedRing()
  const name = uniqueName()
  const file = openSync(`/dev/shm${name}`, 'wx', 0o644)
  ftruncateSync(file, 2 ** 46)
  closeSync(file)
  chmodSync(`/dev/shm${name}`, 0o644)
  if (process.geteuid?.() === 0) chownSync(`/dev/shm${name}`, 1234, 1234)
  const { code, stdout } = await sluice(['ls', '--interval', '0']).finished
  expect(code).toBe(0)
  expect(stdout.toString()).toContain(`${ring.name} `)
  const dead = await sluice(['rm', '--dead', name, ring.name]).finished
  expect(dead.code).toBe(0)
})

test('what is printable stays as it is', () => {
  expect(printable('/ticks é 日本 😀 \\u001b')).toBe('/ticks é 日本 😀 \\u001b')
  expect(printable('\ud800\t\u007f')).toBe('\\ud800\\u0009\\u007f')
  expect(printableLines('one\ntwo\r')).toBe('one\ntwo\\u000d')
})
