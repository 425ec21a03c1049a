import { expect, test } from 'vitest'

import { Child } from './child.js'
import { Command } from './command.js'
import { hasProgram } from './start.js'

test('a program that is not there fails its test at once, and leaves nothing open', () => {
  const missing = "'no-such-program' did not start: there is no such program"
  expect(() => new Command('no-such-program', [])).toThrow(missing)
  expect(() => new Child('lines.mjs', [], { program: 'no-such-program' })).toThrow(missing)
})

test('programs are looked for as the system does', () => {
  expect(hasProgram('node')).toBe(true)
  expect(hasProgram('no-such-program')).toBe(false)
})
