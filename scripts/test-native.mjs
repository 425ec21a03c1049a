// The C++ tests with nothing but make and a C++ compiler; scripts/check-native.sh does more, with
// CMake and clang. Ends with "N passed, N failed", counted in programs.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const output = path.join(root, 'build-native', 'make')
const limit = 300_000

const names = ['test/native', 'test/interop']
  .flatMap((folder) => readdirSync(path.join(root, folder)))
  .filter((file) => file.endsWith('_test.cc'))
  .map((file) => path.basename(file, '.cc'))
  .sort()

/** Whether it ended well; what it printed is shown only if not. */
function run(program, args, env = {}) {
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: program === 'make' ? undefined : limit,
    killSignal: 'SIGKILL',
  })
  if (status === 0) return true
  console.log(`${stdout ?? ''}${stderr ?? ''}`)
  console.log(error?.message ?? `ended with ${signal ?? `code ${status}`}`)
  return false
}

function count(name, good) {
  console.log(`${good ? 'passed' : 'FAILED'} ${name}`)
  if (good) passed++
  else failed++
}

console.log('== C++ tests')
mkdirSync(output, { recursive: true })
let passed = 0
let failed = 0
if (run('make', ['-s', '-C', 'test/native', `-j${availableParallelism()}`])) {
  // One after the other: they would disturb each other's timing.
  for (const name of names) count(name, run(path.join(output, name), []))
  // The peers in Python, against each other; they need stores in order.
  if (process.platform === 'linux' && process.arch === 'x64') {
    count('python_peers', run('python3', [path.join(root, 'test/interop/peers_test.py')]))
  }
} else {
  failed++
}
console.log(`${passed} passed, ${failed} failed`)
if (failed > 0 || passed === 0) process.exitCode = 1
