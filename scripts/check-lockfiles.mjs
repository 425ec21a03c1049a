// Checks that every package manager installs the package by its lock file without compiling anything.
// It comes from a registry, for only there does a lock file forget what package.json says.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { packInto, root, run } from './packed.mjs'
import { Steps } from './steps.mjs'

const pnpm = { program: 'bin/pnpm.cjs', locked: ['install', '--frozen-lockfile'] }
const yarn4 = {
  pack: '@yarnpkg/cli-dist@4',
  program: 'bin/yarn.js',
  locked: ['install', '--immutable'],
}
const managers = {
  'npm 10': { pack: 'npm@10', program: 'bin/npm-cli.js', locked: ['ci'] },
  'npm 11': { pack: 'npm@11', program: 'bin/npm-cli.js', locked: ['ci'] },
  'pnpm 9': { pack: 'pnpm@9', ...pnpm },
  'pnpm 10': { pack: 'pnpm@10', ...pnpm },
  'yarn 1': { pack: 'yarn@1', program: 'bin/yarn.js', locked: ['install', '--frozen-lockfile'] },
  'yarn 4': { ...yarn4, env: { YARN_NODE_LINKER: 'node-modules' } },
  // There is no node_modules: Node runs with yarn's loader.
  'yarn 4, Plug and Play': { ...yarn4, env: { YARN_NODE_LINKER: 'pnp' }, node: ['node'] },
}

// Prints the package's folder.
const program = `
const { Ring } = require('sluice')
Ring.anonymous().close()
const path = require('node:path')
console.log(path.dirname(path.dirname(require.resolve('sluice'))))
`

const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-lockfiles-'))
const tools = path.join(folder, 'tools')
const home = path.join(folder, 'home')
const onlyNode = path.join(folder, 'bin')
for (const each of [tools, home, onlyNode]) mkdirSync(each)
symlinkSync(process.execPath, path.join(onlyNode, 'node'))

/** An empty home, and nothing of the npm that runs this, so that caches and settings are none's. */
function environment(registry, more = {}) {
  const others = Object.entries(process.env).filter(([name]) => !/^(npm|yarn|xdg)_/i.test(name))
  return {
    ...Object.fromEntries(others),
    HOME: home,
    npm_config_registry: registry,
    YARN_REGISTRY: registry,
    YARN_NPM_REGISTRY_SERVER: registry,
    YARN_NPM_MINIMAL_AGE_GATE: '0',
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_ENABLE_TELEMETRY: '0',
    ...more,
  }
}

/** A pack by a name under which several of its versions can be installed. */
const alias = (pack) => pack.replaceAll(/\W+/g, '-').replace(/^-/, '')

/** Resolves with the registry's URL. */
async function listening(server) {
  const ended = once(server, 'exit').then(([code]) => {
    throw new Error(`the registry ended with exit code ${code}`)
  })
  const [port] = await Promise.race([once(server, 'message'), ended])
  return `http://127.0.0.1:${port}/`
}

function checkManager(name, { pack, program: entry, locked, env = {}, node }, registry) {
  const project = path.join(folder, alias(name))
  const manager = path.join(tools, 'node_modules', alias(pack), entry)
  const runManager = (args, more = {}) =>
    run(process.execPath, [manager, ...args], {
      cwd: project,
      env: environment(registry, { ...env, ...more }),
      // Nothing is compiled in that time.
      timeout: 60_000,
    })
  const load = () =>
    node === undefined
      ? run(process.execPath, ['program.cjs'], { cwd: project })
      : runManager([...node, 'program.cjs'])

  mkdirSync(project)
  const dependencies = { sluice: '*' }
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ private: true, dependencies }))
  writeFileSync(path.join(project, 'program.cjs'), program)
  // Yarn takes a folder with a lock file for a project of its own.
  if (pack.startsWith('@yarnpkg')) writeFileSync(path.join(project, 'yarn.lock'), '')
  // Where CI is set, yarn would not make a lock file.
  runManager(['install'], { YARN_ENABLE_IMMUTABLE_INSTALLS: '0' })
  for (const more of [{}, { PATH: onlyNode }]) {
    rmSync(path.join(project, 'node_modules'), { recursive: true, force: true })
    runManager(locked, more)
    const installed = load().trim()
    for (const build of ['build', 'native/build']) {
      if (existsSync(path.join(installed, build))) throw new Error('it compiled the addon')
    }
  }
}

const steps = new Steps()
let server
try {
  await steps.run('the package managers and verdaccio are fetched', () => {
    const packs = Object.values(managers).map(({ pack }) => `${alias(pack)}@npm:${pack}`)
    // Verdaccio asks for node-fetch by a tag that not every mirror of the registry keeps.
    const tooling = { private: true, overrides: { 'node-fetch': '2' } }
    writeFileSync(path.join(tools, 'package.json'), JSON.stringify(tooling))
    const options = ['--ignore-scripts', '--no-audit', '--no-fund']
    run('npm', ['install', ...options, 'verdaccio@6', ...new Set(packs)], { cwd: tools })
  })

  const registry = await steps.run('the package is published to a registry here', async () => {
    const others = run('npm', ['config', 'get', 'registry']).trim()
    const verdaccio = path.join(tools, 'node_modules', 'verdaccio')
    const storage = path.join(folder, 'storage')
    server = fork(path.join(root, 'scripts', 'registry.mjs'), [verdaccio, storage, others])
    const url = await listening(server)
    // npm publishes with a token only; the registry asks for none.
    writeFileSync(path.join(home, '.npmrc'), `${url.slice('http:'.length)}:_authToken=none\n`)
    run('npm', ['publish', packInto(folder)], { cwd: folder, env: environment(url) })
    return url
  })

  if (registry !== undefined) {
    for (const [name, manager] of Object.entries(managers)) {
      await steps.run(`${name} installs by its lock file, with a compiler and without`, () => {
        checkManager(name, manager, registry)
      })
    }
  }
} finally {
  server?.kill()
  rmSync(folder, { recursive: true, force: true })
}
steps.finish()
