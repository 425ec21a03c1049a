// Checks what npm makes of a fresh clone: packed, or installed by a project from git, it is built first,
// or refused where it cannot be built.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'

const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-pack-'))
const clone = path.join(folder, 'clone')
const project = path.join(folder, 'project')
const installed = path.join(project, 'node_modules', 'sluice')

function packed() {
  return readdirSync(clone).filter((file) => file.endsWith('.tgz'))
}

const steps = new Steps()
try {
  run('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone])

  await steps.run('npm pack fails without a binary and a compiler, and says so', () => {
    let said = ''
    try {
      const env = { ...process.env, CXX: '/nonexistent/c++' }
      run('npm', ['pack'], { cwd: clone, env })
    } catch (error) {
      said = error.message
    }
    if (!/exit code 1.*has to be built, and this is missing: a C\+\+ compiler/s.test(said))
      throw new Error(said || 'it did not fail')
    if (packed().length > 0) throw new Error('it packed all the same')
  })

  await steps.run('a project installs it from git, and it loads', () => {
    mkdirSync(project)
    writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
    run('npm', ['install', '--no-audit', '--no-fund', `git+file://${clone}`], { cwd: project })
    cpSync(path.join(root, 'test', 'package', 'smoke.mjs'), path.join(project, 'smoke.mjs'))
    run(process.execPath, ['smoke.mjs'], { cwd: project })
  })

  await steps.run('npm pack builds what is missing, and keeps a binary that is there', () => {
    cpSync(path.join(installed, 'prebuilds'), path.join(clone, 'prebuilds'), { recursive: true })
    run('npm', ['pack'], { cwd: clone, env: { ...process.env, CXX: '/nonexistent/c++' } })
    const [tarball] = packed()
    const files = run('tar', ['-tzf', tarball], { cwd: clone }).split('\n')
    const wanted = ['dist/index.cjs', 'dist/index.js', 'native/binding.gyp']
    const missing = wanted.filter((file) => !files.includes(`package/${file}`))
    if (!files.some((file) => file.endsWith('.node'))) missing.push('a binary')
    if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`)
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
steps.finish()
