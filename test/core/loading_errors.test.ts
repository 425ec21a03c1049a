/** The package in folders of its own: where it loads from, and what is said where it cannot. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

import { onlyIf, skipAllIf, underWine } from '../support/platform.js'
import { temporaryFolder } from '../support/folder.js'

skipAllIf(underWine, 'another Node runs there')

const repository = fileURLToPath(new URL('../..', import.meta.url))
const system = `${process.platform}-${process.arch}`

/** A project in which the built package is installed; `files` are added to the package. */
function project(files: Record<string, string> = {}, binary = true): string {
  const folder = temporaryFolder()
  const installed = join(folder, 'node_modules', 'sluice')
  for (const file of ['package.json', 'dist/index.cjs', 'dist/index.js']) {
    cpSync(join(repository, file), join(installed, file))
  }
  const finder = 'node_modules/node-gyp-build'
  cpSync(join(repository, finder), join(folder, finder), { recursive: true })
  if (binary) {
    const [name = ''] = readdirSync(join(repository, 'build/Release')).filter((file) =>
      file.endsWith('.node'),
    )
    cpSync(
      join(repository, 'build/Release', name),
      join(installed, 'prebuilds', system, 'sluice.node'),
    )
  }
  for (const [file, content] of Object.entries(files)) write(join(installed, file), content)
  return folder
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

interface Outcome {
  status: number | null
  stdout: string
  stderr: string
}

function run(folder: string, file: string, options: string[] = []): Outcome {
  const env = { ...process.env, NODE_OPTIONS: '' }
  // A process that does not end is killed, with a status of null.
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, file], {
    cwd: folder,
    env,
    encoding: 'utf8',
    timeout: 50_000,
  })
  return { status, stdout, stderr }
}

const program = `
  const { Ring } = require('sluice')
  const ring = Ring.anonymous({ capacity: 4096 })
  ring.close()
  console.log('it works')
`

function runProgram(folder: string, options: string[] = [], text = program): Outcome {
  write(join(folder, 'program.cjs'), text)
  return run(folder, 'program.cjs', options)
}

const works = { status: 0, stdout: 'it works\n' }

/** The message, which says the cause first. */
function refusal({ status, stderr }: Outcome): string {
  expect(status).toBe(1)
  expect(stderr).toMatch(/code: 'ERR_SLUICE_NATIVE_MISSING'/)
  return /SluiceError: (.*)/.exec(stderr)?.[1] ?? stderr
}

const requireInEsm =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"

function bundle(folder: string, format: 'esm' | 'cjs', external: string[] = []): string {
  write(join(folder, 'source.cjs'), program)
  const file = `dist/b.${format === 'esm' ? 'mjs' : 'cjs'}`
  // Its library leaves a process or a thread behind.
  const command = join(repository, 'node_modules/esbuild/bin/esbuild')
  const options = [
    join(folder, 'source.cjs'),
    `--outfile=${join(folder, file)}`,
    '--bundle',
    '--platform=node',
    `--format=${format}`,
    '--log-level=error',
    ...external.map((name) => `--external:${name}`),
    // The usual banner for CommonJS that is bundled as ESM.
    ...(format === 'esm' ? [`--banner:js=${requireInEsm}`] : []),
  ]
  execFileSync(process.execPath, [command, ...options])
  return file
}

describe('it loads', () => {
  test('as it is installed', () => {
    expect(runProgram(project())).toMatchObject(works)
  })

  test('where there is a document, as in jsdom and in a renderer of Electron', () => {
    const document = "globalThis.document = { baseURI: 'http://localhost/', currentScript: null }\n"
    expect(runProgram(project(), [], document + program)).toMatchObject(works)
  })

  test.each(['esm', 'cjs'] as const)('bundled by esbuild as %s, beside its package', (format) => {
    const folder = project()
    const file = bundle(folder, format)
    expect(run(folder, file)).toMatchObject(works)
    expect(run('/', join(folder, file))).toMatchObject(works)
  })

  test.each(['esm', 'cjs'] as const)('bundled as %s, beside binaries alone', (format) => {
    const folder = project()
    const file = bundle(folder, format)
    const installed = join(folder, 'node_modules', 'sluice')
    cpSync(join(installed, 'prebuilds'), join(folder, 'dist', 'prebuilds'), { recursive: true })
    rmSync(join(folder, 'node_modules'), { recursive: true })
    expect(run('/', join(folder, file))).toMatchObject(works)
  })

  test('external to a bundle', () => {
    const folder = project()
    expect(run(folder, bundle(folder, 'cjs', ['sluice']))).toMatchObject(works)
  })
})

describe('it says why it does not load', () => {
  test.each(['esm', 'cjs'] as const)('a bundle without the package: %s', (format) => {
    const folder = project()
    const file = bundle(folder, format)
    rmSync(join(folder, 'node_modules', 'sluice'), { recursive: true })
    const message = refusal(run(folder, file))
    expect(message).toMatch(
      /^sluice's package.* bundled: mark it as external \(esbuild: --external/,
    )
  })

  test('addons are forbidden', () => {
    const message = refusal(runProgram(project(), ['--no-addons']))
    expect(message).toMatch(/^--no-addons forbids native addons/)
  })

  test('the permission model', () => {
    const [major = 0] = process.versions.node.split('.').map(Number)
    const flag = major >= 24 ? '--permission' : '--experimental-permission'
    const message = refusal(runProgram(project(), [flag, '--allow-fs-read=*']))
    expect(message).toMatch(/^Node's permission model forbids native addons.*--allow-addons/)
  })

  onlyIf(process.platform === 'linux', 'the paths are those of Linux')(
    'the permission model, which leaves out a file elsewhere',
    () => {
      const [major = 0] = process.versions.node.split('.').map(Number)
      const flag = major >= 24 ? '--permission' : '--experimental-permission'
      const folder = realpathSync(project())
      const allowed = [flag, '--allow-addons', `--allow-fs-read=${folder}/*`]
      const message = refusal(runProgram(folder, allowed))
      expect(message).toMatch(/does not let \/etc\/alpine-release be read/)
      const asking = "console.log(require('sluice').capabilities().sharedMemory)"
      const answer = runProgram(folder, [...allowed, '--allow-fs-read=/etc/alpine-release'], asking)
      expect(answer).toMatchObject({ status: 0, stdout: 'false\n' })
    },
  )

  test('no binary for this system', () => {
    const folder = project({ 'prebuilds/linux-mips/sluice.node': '' }, false)
    expect(refusal(runProgram(folder))).toMatch(
      new RegExp(`^sluice has no binary for ${system}, only for linux-mips; build one with`),
    )
  })

  test('a binary for another C library', () => {
    const folder = project({ [`prebuilds/${system}/sluice.musl.node`]: '' }, false)
    expect(refusal(runProgram(folder))).toMatch(/for another C library.*sluice\.musl\.node/)
  })

  test('a binary for another processor', () => {
    const folder = project({ [`prebuilds/${system}/sluice.node`]: 'MZ'.repeat(1000) }, false)
    expect(refusal(runProgram(folder))).toMatch(
      /^sluice's binary is for another system or processor/,
    )
  })

  test.each([
    [
      "/lib/libc.so.6: version `GLIBC_2.38' not found (required by sluice.node)",
      /^sluice's binary needs glibc 2\.38 or newer/,
    ],
    [
      "libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by sluice.node)",
      /^sluice's binary needs libstdc\+\+ \(GLIBCXX\) 3\.4\.32 or newer/,
    ],
    [
      'Error loading shared library ld-linux-x86-64.so.2: No such file or directory',
      /^sluice's binary is for another C library/,
    ],
    ['dlopen(sluice.node): incompatible architecture', /^sluice's binary is for another system/],
    ['something nobody knows', /^sluice's binary cannot be loaded: something nobody knows/],
  ])('what the dynamic loader says: %s', (said, message) => {
    const script = `throw Object.assign(new Error(${JSON.stringify(said)}), { code: 'ERR_DLOPEN_FAILED' })`
    const finder = `
      const resolve = (folder) => require('node:path').join(folder, 'binary.cjs')
      module.exports = Object.assign((folder) => require(resolve(folder)), { resolve })`
    const folder = project({
      'binary.cjs': script,
      'node_modules/node-gyp-build/index.js': finder,
    })
    expect(refusal(runProgram(folder))).toMatch(message)
  })

  test.each([
    [`exports.version = '0.0.1'`, /and its binary of 0\.0\.1: install sluice anew/],
    ['', /and its binary of an older one: install sluice anew/],
  ])('a binary of another version: %s', (binary, message) => {
    const finder = `module.exports = () => require('../../binary.cjs')
      module.exports.resolve = () => require.resolve('../../binary.cjs')`
    const folder = project({
      'binary.cjs': binary,
      'node_modules/node-gyp-build/index.js': finder,
    })
    const { status, stderr } = runProgram(folder)
    expect(status).toBe(1)
    expect(stderr).toMatch(/code: 'ERR_SLUICE_NATIVE_MISMATCH'/)
    expect(stderr).toMatch(message)
  })

  test('its dependency is missing', () => {
    const folder = project()
    rmSync(join(folder, 'node_modules', 'node-gyp-build'), { recursive: true })
    expect(refusal(runProgram(folder))).toMatch(/^node-gyp-build.* is not installed/)
  })
})

test("nothing is run from the working directory, which may be anybody's", () => {
  const [bundle, trap] = [temporaryFolder(), temporaryFolder()]
  cpSync(join(repository, 'dist', 'index.cjs'), join(bundle, 'bundle.cjs'))
  write(join(trap, 'package.json'), '{ "name": "sluice" }')
  write(join(trap, 'node_modules/node-gyp-build/index.js'), "console.log('trapped')")
  const outcome = run(trap, join(bundle, 'bundle.cjs'))
  expect(outcome.stdout).toBe('')
  expect(refusal(outcome)).toMatch(/mark it as external/)
})
