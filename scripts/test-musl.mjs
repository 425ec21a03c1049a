// Runs the x64 binary for musl that `npm run prebuild` made, on a machine with glibc. npm has no Node for
// musl, but a Bun: it runs beside Debian's musl, with the system's libstdc++, to which a small library
// gives what musl lacks. Makes the binary if it is not there. Node on Alpine is tested by the workflows.
//
// Needs musl's loader (Debian: musl).
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { fetchProgram } from './packages.mjs'
import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'
import { runZig } from './zig.mjs'

const binary = 'linux-x64/sluice.musl.node'
const musl = '/lib/ld-musl-x86_64.so.1'
const systems = '/usr/lib/x86_64-linux-gnu'
if (!existsSync(musl)) throw new Error(`${musl} is missing (Debian: musl)`)

const bun = fetchProgram('@oven/bun-linux-x64-musl@1.4.5', 'bin/bun')
const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-musl-'))
const glibcNames = path.join(folder, 'glibc_names.so')
const env = {
  ...process.env,
  LD_LIBRARY_PATH: folder,
  LD_PRELOAD: glibcNames,
  LIBC: 'musl', // for node-gyp-build, which would look for Alpine's files
  PREBUILDS_ONLY: '1',
}

const steps = new Steps()
try {
  await steps.run('the package is built', () => {
    if (!existsSync(path.join(root, 'prebuilds', binary)))
      run(process.execPath, ['scripts/prebuild.mjs', binary], { timeout: 1_800_000 })
    run(process.execPath, ['scripts/ensure.mjs', '--package'])
  })
  await steps.run('a runtime for musl starts', () => {
    const options = ['-shared', '-fPIC', '-O1', '-Wno-incompatible-library-redeclaration']
    const source = 'scripts/musl/glibc_names.c'
    runZig(['cc', '-target', 'x86_64-linux-musl', ...options, '-o', glibcNames, source])
    symlinkSync(musl, path.join(folder, 'libc.musl-x86_64.so.1'))
    symlinkSync(glibcNames, path.join(folder, 'ld-linux-x86-64.so.2'))
    for (const library of ['libstdc++.so.6', 'libgcc_s.so.1'])
      symlinkSync(path.join(systems, library), path.join(folder, library))
    console.log(`        bun ${run(bun, ['--version'], { env }).trim()}`)
  })
  await steps.run('the smoke test passes', () => {
    console.log(
      `        ${run(bun, ['test/package/smoke.mjs'], { env }).trim().split('\n').at(-1)}`,
    )
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
steps.finish()
