// Makes a checkout ready to run: installs what is missing and builds what is stale. npm runs it
// before start, test and bench; it says nothing when there is nothing to do.
//
//   --package    makes it ready to be packed: with a binary in prebuilds/ instead of a local build.
//                npm runs it before pack and publish, and when a project installs it from git.
//
// Only Node's own modules are used: straight after a clone there is nothing else. A stale output is
// told by content, not by time, which a checkout, a copy or a cache changes at will.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { withLock } from './build-lock.mjs'
import { version } from './version.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const cache = path.join(root, '.cache', 'ensure')
const platform = `${process.platform}-${process.arch}`

// The outputs and what each is made of.

const dependencies = {
  title: 'installing dependencies',
  isStale: dependenciesAreStale,
  make() {
    // With NODE_ENV=production npm would leave out all that a build needs. The script 'prepare' would
    // call this one again. npm pack --dry-run would make this a dry run, too.
    const options = ['--include=dev', '--ignore-scripts', '--no-dry-run', '--no-audit', '--no-fund']
    npm(['ci', ...options])
  },
}

const addon = built('addon', {
  title: 'building the addon',
  inputs: [
    'native/include',
    'native/src',
    'binding.gyp',
    'scripts/sources.mjs',
    'scripts/version.mjs',
    'test/native/diagnostics',
    'node_modules/node-addon-api/package.json',
  ],
  // The binary is of Node-API, so it fits every version of Node, but only this platform.
  also: `${platform} ${version}`,
  outputs: ['build/Release/sluice.node'],
  make() {
    requireCompiler()
    npm(['run', 'build:native'])
  },
})

// A binary that is there already may have been built elsewhere, on the oldest system that it is for.
const binary = {
  title: 'building the binary for the package',
  isStale: () => !files(`prebuilds/${platform}`).some((file) => file.endsWith('.node')),
  make() {
    requireCompiler()
    npm(['run', 'build:binary'])
  },
}

const buildDefinition = {
  title: 'copying binding.gyp to native/',
  isStale: () => read('native/binding.gyp') !== read('binding.gyp'),
  make() {
    copyFileSync(path.join(root, 'binding.gyp'), path.join(root, 'native', 'binding.gyp'))
  },
}

const dist = built('dist', {
  title: 'compiling TypeScript',
  inputs: [
    'lib',
    'package.json',
    'tsconfig.json',
    'tsup.config.ts',
    'scripts/esm.mjs',
    'scripts/licenses.ts',
    'scripts/version.mjs',
  ],
  outputs: ['dist'],
  make() {
    npm(['run', 'build:js'])
  },
})

/** In the order in which they have to be made. */
const steps = process.argv.includes('--package')
  ? [dependencies, binary, buildDefinition, dist]
  : [dependencies, addon, dist]

/** A step whose state is remembered as a hash of what it was made of and of what came out. */
function built(name, { inputs, also = '', outputs, ...step }) {
  const stamp = `.cache/ensure/${name}.json`
  const madeOf = () => hash(inputs) + also
  const state = (from) => JSON.stringify({ inputs: from, outputs: hash(outputs) }, undefined, 2)
  return {
    title: step.title,
    isStale: () => read(stamp) !== state(madeOf()),
    make() {
      rmSync(path.join(root, stamp), { force: true })
      const from = madeOf() // before: somebody may be editing meanwhile
      step.make()
      mkdirSync(cache, { recursive: true })
      writeFileSync(path.join(root, stamp), state(from))
    },
  }
}

function hash(entries) {
  const all = createHash('sha256')
  for (const file of entries.flatMap(files).sort()) {
    const content = createHash('sha256').update(readFileSync(path.join(root, file)))
    all.update(`${file}\0${content.digest('hex')}\0`)
  }
  return all.digest('hex')
}

/** The files of a folder, or the file itself; nothing when it is not there. */
function files(entry) {
  let entries
  try {
    entries = readdirSync(path.join(root, entry), { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOTDIR') return [entry]
    if (error.code === 'ENOENT') return []
    throw error
  }
  return entries.flatMap((child) => {
    const file = `${entry}/${child.name}`
    return child.isDirectory() ? files(file) : [file]
  })
}

function read(file) {
  try {
    return readFileSync(path.join(root, file), 'utf8')
  } catch {
    return undefined
  }
}

/** Whether what npm notes of its last installation differs from the lock file. */
function dependenciesAreStale() {
  const installed = read('node_modules/.package-lock.json')
  if (installed === undefined) return true
  const has = JSON.parse(installed).packages
  const wants = JSON.parse(read('package-lock.json') ?? '').packages
  return Object.entries(wants).some(([where, wanted]) => {
    if (where === '') return false
    const found = has[where]
    // An optional package may be missing: most are for other platforms. One that is here and for
    // another platform came with a folder that was copied from there.
    if (found === undefined) return !wanted.optional && !wanted.devOptional
    return found.integrity !== wanted.integrity || found.version !== wanted.version || !fits(found)
  })
}

function fits({ os, cpu }) {
  const allows = (list, value) =>
    list === undefined ||
    (list.every((entry) => entry.startsWith('!'))
      ? !list.includes(`!${value}`)
      : list.includes(value))
  return allows(os, process.platform) && (cpu?.includes('wasm32') || allows(cpu, process.arch))
}

/** Runs npm; what it prints is shown only if it fails. */
function npm(commandLine) {
  // The npm that runs this script, if one does; it also brings the user's npm settings (nodedir).
  const script = process.env.npm_execpath
  const [command, args, shell] = script?.endsWith('npm-cli.js')
    ? [process.execPath, [script, ...commandLine], false]
    : ['npm', commandLine, process.platform === 'win32']
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, npm_config_jobs: 'max' },
    shell,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  })
  if (status === 0) return
  const reason = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${String(status)}`)
  throw new Failure(
    `npm ${commandLine.join(' ')} failed (${reason})\n\n${stdout ?? ''}${stderr ?? ''}`,
  )
}

/** Before a build that would fail with a page of text, says what is missing and how to get it. */
function requireCompiler() {
  if (process.platform === 'win32') return // node-gyp itself says which Visual Studio it wants
  const wanted = {
    python3: programs(process.env.npm_config_python ?? process.env.PYTHON, 'python3', 'python'),
    make: programs(process.env.MAKE, 'make', 'gmake'),
    'a C++ compiler': programs(process.env.CXX, 'c++', 'g++', 'clang++'),
  }
  const missing = Object.entries(wanted)
    .filter(([, commands]) => !commands.some(runs))
    .map(([what]) => what)
  if (missing.length === 0) return
  throw new Failure(
    [
      `the addon has to be built, and this is missing: ${missing.join(', ')}. To install it:`,
      '  Debian, Ubuntu  sudo apt-get install -y python3 make g++',
      '  Fedora          sudo dnf install -y python3 make gcc-c++',
      '  macOS           xcode-select --install',
    ].join('\n'),
  )
}

/** The program that the user has named, or else those that usually do it. */
function programs(named, ...usual) {
  return named ? [named] : usual
}

function runs(command) {
  // CXX may hold arguments or a wrapper: "ccache g++".
  const [program, ...args] = command.split(' ')
  return spawnSync(program, [...args, '--version'], { stdio: 'ignore' }).status === 0
}

class Failure extends Error {}

async function main() {
  if (!steps.some((step) => step.isStale())) return
  await withLock(
    path.join(cache, 'lock'),
    (pid) => console.error(`sluice: process ${pid} is building here; waiting for it`),
    () => {
      for (const step of steps) {
        if (!step.isStale()) continue
        const start = performance.now()
        console.error(`sluice: ${step.title} …`)
        step.make()
        console.error(`sluice: done in ${((performance.now() - start) / 1000).toFixed(1)} s`)
      }
    },
  )
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Failure)) throw error
  console.error(`sluice: ${error.message}`)
  process.exitCode = 1
}
