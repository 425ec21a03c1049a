// Checks what would be published: what is in it, that it loads without being built, that its types
// resolve for both kinds of modules, and that it can be built where no binary fits.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

import { build, installPackage, listPackage, root, run } from './packed.mjs'
import { Steps } from './steps.mjs'
import { version } from './version.mjs'

const required = [
  'CHANGELOG.md',
  'CMakeLists.txt',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'bench/results/latest.svg',
  'dist/THIRD-PARTY-LICENSES.txt',
  'dist/cli.cjs',
  'dist/index.cjs',
  'dist/index.d.cts',
  'dist/index.d.ts',
  'dist/index.js',
  'docs/README.md',
  'native/binding.gyp',
  'package.json',
  'scripts/sources.mjs',
  'scripts/version.mjs',
]
const allowed = [
  /^dist\/(?!demo)[\w-]+\.cjs(\.map)?$/, // tsup's shared chunks
  /^docs\/[\w-]+\.md$/,
  /^examples\/[\w./-]+\.(cpp|md|mjs)$/,
  /^native\/(include|src)\/[\w/]+\.(hpp|cc)$/,
  /^prebuilds\/README\.md$/,
  /^prebuilds\/(linux|darwin|win32)-(x64|arm64)(\+x64)?\/sluice(\.(glibc|musl))?\.node$/,
]

// README says how large it is.
const limit = {
  rest: { packed: 850_000 },
  binary: { packed: 250_000, unpacked: 600_000 },
}
const kilobytes = (bytes) => `${Math.round(bytes / 1000)} KB`

const steps = new Steps()
await steps.run('the binary and the code are built', build)

const { size: packedSize, files: packedFiles } = listPackage()
const files = packedFiles.map((file) => file.path)

await steps.run('the package holds what it should, and nothing else', () => {
  const native = readdirSync(path.join(root, 'native'), { recursive: true })
    .map((file) => `native/${file.replaceAll('\\', '/')}`)
    // Other files there serve builds for other systems.
    .filter((file) => /^native\/(include|src)\/.*\.(hpp|cc)$/.test(file))
  const wanted = [...required, ...native]
  const missing = wanted.filter((file) => !files.includes(file))
  if (!files.some((file) => file.endsWith('.node'))) missing.push('a binary in prebuilds')
  const extra = files.filter(
    (file) => !wanted.includes(file) && !allowed.some((pattern) => pattern.test(file)),
  )
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`)
  if (extra.length > 0) throw new Error(`not expected: ${extra.join(', ')}`)
})

await steps.run('it is no larger than it should be', () => {
  const binaries = packedFiles.filter(({ path: file }) => file.endsWith('.node'))
  const limits = [
    [
      'the package to be downloaded',
      packedSize,
      limit.rest.packed + binaries.length * limit.binary.packed,
    ],
    ...binaries.map(({ path: file, size }) => [file, size, limit.binary.unpacked]),
  ]
  for (const [what, size, most] of limits) {
    console.log(`        ${what}: ${kilobytes(size)}, at most ${kilobytes(most)}`)
    if (size > most) throw new Error(`${what} is too large`)
  }
})

await steps.run('its documents lead to nothing that is not in it', () => {
  for (const document of files.filter((file) => file.endsWith('.md'))) {
    const text = readFileSync(path.join(root, document), 'utf8').replaceAll(/^```.*?^```/gms, '')
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      const target = path.posix.join(path.posix.dirname(document), link)
      const there = (file) => file === target || file.startsWith(`${target}/`)
      if (!files.some(there)) throw new Error(`${document} links to ${link}`)
    }
  }
})

const project = await steps.run('the package installs from its tarball', installPackage)
if (project !== undefined) {
  const { remove } = project
  try {
    await checkInstalled(project)
  } finally {
    remove()
  }
}
steps.finish()

async function checkInstalled({ folder, installed, tarball }) {
  const node = (...args) => run(process.execPath, args, { cwd: folder })

  await steps.run('installing it ran no compiler', () => {
    if (existsSync(path.join(installed, 'build'))) throw new Error('npm built the addon')
    const { scripts } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'))
    for (const script of ['preinstall', 'install', 'postinstall']) {
      if (scripts[script] !== undefined) throw new Error(`the package has a script '${script}'`)
    }
  })

  await steps.run('npm has nothing to correct in its package.json', () => {
    const packageJson = path.join(installed, 'package.json')
    const before = readFileSync(packageJson, 'utf8')
    run('npm', ['pkg', 'fix'], { cwd: installed })
    const after = readFileSync(packageJson, 'utf8')
    if (after !== before) throw new Error(`npm pkg fix made of it:\n${after}`)
  })

  await steps.run('it works with its own binary alone, by import and by require', () => {
    node('smoke.mjs')
  })

  await steps.run('its command, its export and its package.json tell one version', () => {
    const command = path.join(folder, 'node_modules', '.bin', 'sluice')
    const said = run(command, ['--version'], { cwd: folder }).trim()
    const exported = node('-p', 'require("sluice").version').trim()
    if (said !== version || exported !== version) throw new Error(`${said}, ${exported}`)
  })

  await steps.run('its types resolve from ESM and from CommonJS', () => {
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    node(tsc, '-p', 'types', '--typeRoots', path.join(root, 'node_modules', '@types'))
  })

  await steps.run('publint and attw find nothing in it', () => {
    const linters = ['publint@0.3', '@arethetypeswrong/cli@0.18']
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...linters], {
      cwd: folder,
    })
    const bin = path.join(folder, 'node_modules', '.bin')
    run(path.join(bin, 'publint'), ['run', tarball, '--strict'])
    run(path.join(bin, 'attw'), [tarball])
  })

  await steps.run('it works in Jest, which loads it anew for each file and each test', () => {
    // Of a user's project: none of ours.
    run('npm', ['install', '--no-audit', '--no-fund', 'jest@30'], { cwd: folder })
    const jest = path.join(folder, 'node_modules', 'jest', 'bin', 'jest.js')
    // The first file makes the copy whose listeners the second one's events go through.
    node(jest, '-i', '--ci', '--resetModules', '--rootDir', path.join(folder, 'copies'))
    node(jest, '-i', '--ci', '--rootDir', path.join(folder, 'copies'))
  })

  for (const pool of ['forks', 'threads', 'vmThreads']) {
    await steps.run(`it works in vitest of a project, in its pool ${pool}`, () => {
      const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
      const options = ['--globals', '--no-file-parallelism', '--maxWorkers=1', `--pool=${pool}`]
      node(vitest, 'run', '--root', path.join(folder, 'copies'), ...options)
    })
  }

  await steps.run('it can be built where no binary fits', () => {
    rmSync(path.join(installed, 'prebuilds'), { recursive: true })
    const { stderr } = spawnSync(process.execPath, ['smoke.mjs'], { cwd: folder, encoding: 'utf8' })
    const [, command] = /build one with `npx (.*?)`/.exec(stderr) ?? []
    if (command === undefined) throw new Error(`nothing says how to build it: ${stderr}`)
    // npm brings the user's settings (nodedir), and finds the checkout's node-gyp.
    const bin = path.join(root, 'node_modules', '.bin')
    const env = {
      ...process.env,
      npm_config_jobs: 'max',
      PATH: `${bin}${path.delimiter}${process.env.PATH}`,
    }
    run('npm', ['exec', '--offline', '-c', command], { cwd: folder, env })
    node('smoke.mjs')
  })
}
