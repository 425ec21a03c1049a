import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { Command, node, root } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { hasProgram } from '../support/start.js'

/** The output of an example, which is the same when it is run again. */
async function linesOf(args: string[]): Promise<string[]> {
  const first = await linesOfRun(args)
  expect(await linesOfRun(args)).toEqual(first)
  return first
}

async function linesOfRun(args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await node(args).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.toString().trim().split('\n').sort()
}

test('parent-and-child: the child gets all numbers through the inherited ring', async () => {
  expect(await linesOf(['examples/parent-and-child/parent.mjs'])).toEqual([
    'child: received 100000 numbers, their sum is 5000050000',
    'parent: sent 100000 numbers',
  ])
})

test('worker-read-sync: the blocking worker gets every line', async () => {
  expect(await linesOf(['examples/worker-read-sync/main.mjs'])).toEqual([
    'main: the worker counted 10 words',
    'worker: or not to be',
    'worker: that is the question',
    'worker: to be',
  ])
})

test('gzip-pipeline: what is unpacked is what was packed', async () => {
  const [line] = await linesOf(['examples/gzip-pipeline/pack.mjs', 'package-lock.json'])
  const { length } = readFileSync(join(root, 'package-lock.json'))
  expect(line).toMatch(
    new RegExp(`^${String(length)} bytes became \\d+; unpacked again: the same$`),
  )
})

test('cpp-consumer: builds with the line that it names, and gets every measurement', async () => {
  expect(await linesOf(['examples/cpp-consumer/produce.mjs', await cppConsumer()])).toEqual([
    'c++: received 200000 measurements',
    'c++: sensor 0: mean 49999',
    'c++: sensor 1: mean 49999.5',
    'c++: sensor 2: mean 50000',
    'c++: sensor 3: mean 50000.5',
    'node: sent 200000 measurements',
  ])
})

/** The compiled program; what tests Windows from elsewhere has compiled it already. */
async function cppConsumer(): Promise<string> {
  const compiled = process.env['SLUICE_CPP_CONSUMER']
  if (compiled !== undefined) return compiled
  const program = join(temporaryFolder(), 'consume')
  const header = readFileSync(join(root, 'examples/cpp-consumer/produce.mjs'), 'utf8')
  const line = /^\/\/ +(g\+\+ .*)$/m.exec(header)?.[1] ?? ''
  const [named = '', ...args] = line.replace('/tmp/consume', program).split(' ')
  const compiler = hasProgram(named) ? [named] : (process.env['CXX'] ?? 'c++').split(' ')
  const build = await new Command(compiler[0] ?? '', [...compiler.slice(1), ...args]).finished
  expect({ code: build.code, stderr: build.stderr }).toEqual({ code: 0, stderr: '' })
  return program
}
