/** The programs of README, as they stand and as an ordinary user, each more than once in a row. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

import { Command, root } from '../support/command.js'
import { outputOf, programsOf, Project } from '../support/documents.js'
import { asRootForOthers } from '../support/platform.js'
import { eventually } from '../support/resources.js'
import { hasProgram } from '../support/start.js'

const programs = programsOf('README.md')

test('every block of code is a program', () => {
  expect(programs.map(({ file }) => file).sort()).toEqual([
    'client.mjs',
    'memory.mjs',
    'prices.mjs',
    'ring.mjs',
    'server.mjs',
    'watch.cpp',
    'watch.mjs',
  ])
})

const prices = Array.from({ length: 1000 }, (_, i) => `price ${String(i)}\n`).join('')

/** Collects its output. */
function collected(command: Command): { text: string } {
  const all = { text: '' }
  command.stdout.on('data', (data: Buffer) => (all.text += data.toString()))
  return all
}

async function pricesAreWatched(project: Project): Promise<void> {
  // The writer first, and again before the first prices were read.
  await project.run('prices.mjs')
  const second = project.start('prices.mjs')
  const watch = project.start('watch.mjs')
  const seen = collected(watch)
  await outputOf(second)
  await eventually(() => seen.text.length >= 2 * prices.length)
  // The watcher first.
  await project.run('prices.mjs')
  await eventually(() => seen.text.length >= 3 * prices.length)
  expect(seen.text).toBe(prices.repeat(3))
  watch.kill('SIGTERM')
  expect(await watch.finished).toMatchObject({ signal: 'SIGTERM', stderr: '' })
  // All once more.
  const watchAgain = project.start('watch.mjs')
  const seenAgain = collected(watchAgain)
  await project.run('prices.mjs')
  await eventually(() => seenAgain.text.length >= prices.length)
  expect(seenAgain.text).toBe(prices)
}

/** The file may be there already, of a server that was killed. */
function isListening(path: string): boolean {
  const accepts = '00010000' // among the flags
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some((line) => line.endsWith(` ${path}`) && line.includes(` ${accepts} `))
}

async function socketsServe(project: Project): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const server = project.start('server.mjs')
    await eventually(() => isListening(project.nameOf('/tmp/app.sock')))
    for (let client = 0; client < 2; client++) {
      expect(await project.run('client.mjs')).toBe('take this: a message through the ring\n')
    }
    // It leaves its socket behind, which the next one takes over.
    server.kill('SIGKILL')
    expect(await server.finished).toMatchObject({ signal: 'SIGKILL', stderr: '' })
  }
}

async function programsRun(project: Project): Promise<void> {
  for (let round = 0; round < 2; round++) {
    expect(await project.run('ring.mjs')).toBe('1.25 4 0\n')
    const { length } = readFileSync(join(project.folder, 'memory.mjs'))
    expect(await project.run('memory.mjs')).toBe(`1 ${String(2 ** 20)} ${String(length)}\n`)
  }
}

const examples = [
  ['prices are watched', pricesAreWatched],
  ['rings and memory are used', programsRun],
  ['a ring is handed over by a socket', socketsServe],
] as const

test.each(examples)('%s', async (_, example) => {
  await example(new Project(programs))
})

asRootForOthers.each(examples)('%s, by another user than root', async (_, example) => {
  await example(new Project(programs, 65534))
})

test('the program in C++ reads the prices', async () => {
  const project = new Project(programs)
  const program = join(project.folder, 'watch')
  const own = hasProgram('g++') ? 'g++' : 'c++'
  const [compiler = '', ...first] = (process.env['CXX'] ?? own).split(' ')
  const headers = join(root, 'native/include')
  const source = join(project.folder, 'watch.cpp')
  const build = new Command(compiler, [
    ...first,
    '-std=c++20',
    '-I',
    headers,
    source,
    '-o',
    program,
  ])
  await outputOf(build)
  const lengths = prices
    .trim()
    .split('\n')
    .map((price) => `${String(price.length)}\n`)
  for (let round = 0; round < 2; round++) {
    await project.run('prices.mjs')
    expect(await outputOf(new Command(program, [], { input: '' }))).toBe(lengths.join(''))
  }
})
