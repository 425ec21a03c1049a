/**
 * Every public name is documented: what it does, units, defaults, errors by code, an example. The examples
 * compile, and run to their end where there is what they need.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { root } from '../support/command.js'
import { examples, problemsOf, run, type Example } from '../support/examples.js'
import { onlyIf, onWindows, underWine } from '../support/platform.js'
import { publicTypes } from '../support/public_names.js'
import { isCallable, isClass, lacking } from '../support/reference.js'

test('the public names are found, and those that are inherited', () => {
  const members = publicTypes.get('UnixConnection')?.members.map(({ name }) => name)
  expect(members).toEqual(
    expect.arrayContaining(['UnixConnection.fromFd', 'UnixConnection.send', 'UnixConnection.peer']),
  )
})

test('every public name says what it does, its units, defaults and errors, and has an example', () => {
  expect(lacking()).toEqual([])
})

test('the pages of docs name every class and function', () => {
  const pages = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'))
  const texts = pages.map((page) => readFileSync(join(root, 'docs', page), 'utf8'))
  const named = new Set(texts.join('\n').match(/\w+/g))
  const callable = [...publicTypes.values()].filter((type) => isClass(type) || isCallable(type))
  expect(callable.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([])
})

const byWhere = (example: Example) => [example.where, example] as const

describe('type-checks', () => {
  test.each(examples.map(byWhere))('%s', (_, example) => {
    expect(problemsOf(example)).toEqual([])
  })
})

const ofWindows = /NamedPipe|SystemHandle|fromHandle/
// The examples of channels name sockets by their paths.
const ofUnix =
  /\b(Unix\w+|connectUnix|connectChannel|ChannelServer|socketPair|peerCredentials|FileDescriptor|fromFd)\b/

describe('runs', () => {
  const onUnix = examples.filter(({ code }) => ofUnix.test(code))
  const onWindowsOnly = examples.filter(({ code }) => ofWindows.test(code))
  const anywhere = examples.filter((one) => !onUnix.includes(one) && !onWindowsOnly.includes(one))

  // Twice: an example leaves nothing behind that the next run would meet.
  const twice = async (_: string, example: Example) => {
    await run(example, 2)
  }
  test.each(anywhere.map(byWhere))('%s', twice)
  onlyIf(!onWindows, 'Unix sockets and descriptors').each(onUnix.map(byWhere))('%s', twice)
  const passesHandles = ({ code }: Example) => code.includes('handles: true')
  const others = onWindowsOnly.filter((one) => !passesHandles(one))
  onlyIf(onWindows, 'named pipes and handles').each(others.map(byWhere))('%s', twice)
  // Wine does not tell the process whose handles are to be taken.
  const passing = onWindowsOnly.filter(passesHandles)
  onlyIf(onWindows && !underWine, 'handles that are sent').each(passing.map(byWhere))('%s', twice)
})
