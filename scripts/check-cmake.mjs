// Builds the addon by the other definition, CMakeLists.txt, and runs the smoke test with it.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'

const steps = new Steps()
await steps.run('cmake-js builds the addon', () => {
  // With node-gyp's setting for where Node's headers are, cmake-js need not download them.
  run('npm', ['run', 'build:cmake'])
})
await steps.run('the addon that it built works', () => {
  // node-gyp-build looks for a build in the folder that SLUICE_PREBUILD names.
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-cmake-'))
  try {
    const release = path.join(folder, 'build', 'Release')
    mkdirSync(release, { recursive: true })
    copyFileSync(
      path.join(root, 'build-cmake', 'Release', 'sluice.node'),
      path.join(release, 'sluice.node'),
    )
    run(process.execPath, ['test/package/smoke.mjs'], {
      env: { ...process.env, SLUICE_PREBUILD: folder },
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
steps.finish()
