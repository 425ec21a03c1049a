// Makes the binaries of the package on a Linux x64 machine, for all platforms, into prebuilds/, and
// looks at what came out (check-binaries.mjs). This machine's own is run, too. Those for macOS are for
// checking: the published ones are built there.
//
//   npm run prebuild                       all
//   npm run prebuild -- arm64 win32        those with one of these words in their name
//
// Needs CMake, Ninja, LLVM's tools, and mingw-w64 for Windows.
import { copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'

import { checkBinaries } from './check-binaries.mjs'
import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'
import { buildByZig } from './zig.mjs'

// Under the names that node-gyp-build looks for. The version of glibc is that of Node's own binaries.
const targets = {
  'linux-x64/sluice.glibc.node': () => buildByZig('x86_64-linux-gnu.2.28'),
  'linux-arm64/sluice.glibc.node': () => buildByZig('aarch64-linux-gnu.2.28'),
  'linux-x64/sluice.musl.node': () => buildByZig('x86_64-linux-musl'),
  'linux-arm64/sluice.musl.node': () => buildByZig('aarch64-linux-musl'),
  'win32-x64/sluice.node': () => {
    run('bash', ['scripts/windows/build.sh'], { timeout: 900_000 })
    return path.join(root, 'build-windows', 'sluice.node')
  },
  'darwin-x64/sluice.node': () => buildByZig('x86_64-macos.11.0'),
  'darwin-arm64/sluice.node': () => buildByZig('aarch64-macos.11.0'),
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  throw new Error('the compilers for other platforms are fetched for Linux on x64 only')
}
const words = process.argv.slice(2)
const chosen = Object.keys(targets).filter(
  (name) => words.length === 0 || words.some((word) => name.includes(word)),
)
if (chosen.length === 0) {
  throw new Error(`none of ${Object.keys(targets).join(', ')} has ${words.join(' or ')} in it`)
}

const made = []
for (const name of chosen) {
  const start = performance.now()
  const binary = path.join(root, 'prebuilds', name)
  const built = targets[name]()
  mkdirSync(path.dirname(binary), { recursive: true })
  copyFileSync(built, binary)
  made.push(binary)
  console.log(`built   ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
}

const steps = new Steps()
await checkBinaries(made, steps)
const own = `linux-x64/sluice.${isOfMusl() ? 'musl' : 'glibc'}.node`
if (chosen.includes(own)) {
  await steps.run(`${own} works`, () => {
    run(process.execPath, ['scripts/ensure.mjs', '--package'])
    const env = { ...process.env, PREBUILDS_ONLY: '1' }
    run(process.execPath, ['test/package/smoke.mjs'], { env })
  })
}
steps.finish()

function isOfMusl() {
  return process.report.getReport().header.glibcVersionRuntime === undefined
}
