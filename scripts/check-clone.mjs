// Checks that a fresh clone becomes ready by itself: two runs of ensure.mjs at once, as when two
// terminals start, then one that has nothing to do, then one after each kind of change.
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'

const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-clone-'))
const clone = path.join(folder, 'sluice')
const lock = path.join(clone, '.cache', 'ensure', 'lock')

/** Runs ensure.mjs there, without npm around it. Resolves with its exit code and what it said. */
function ensure(env = {}) {
  const child = spawn(process.execPath, ['scripts/ensure.mjs'], {
    cwd: clone,
    env: { ...process.env, npm_execpath: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 300_000,
  })
  let said = ''
  child.stdout.on('data', (data) => (said += data))
  child.stderr.on('data', (data) => (said += data))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, said })))
}

/** Makes the clone ready, and returns the stems of the steps that it says ran. */
async function ensured() {
  const { code, said } = await ensure()
  if (code !== 0) throw new Error(said)
  return [...said.matchAll(/sluice: (\w+)ing /g)].map((match) => match[1]).join(' ')
}

function expect(found, wanted) {
  if (found !== wanted) throw new Error(`expected '${wanted}', found '${found}'`)
}

const steps = new Steps()
try {
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone])

  await steps.run('two at once make a clone ready, each step once', async () => {
    const both = await Promise.all([ensure(), ensure()])
    for (const { code, said } of both) if (code !== 0) throw new Error(said)
    const said = both.map((one) => one.said).join('')
    for (const step of ['installing dep', 'building the', 'compiling Type']) {
      expect(`${step} ${said.split(step).length - 1}`, `${step} 1`)
    }
    run(process.execPath, ['test/package/smoke.mjs'], { cwd: clone })
  })

  await steps.run('the next one has nothing to do and says nothing', async () => {
    const { code, said } = await ensure()
    expect(`${code} ${said}`, '0 ')
  })

  await steps.run('it compiles when TypeScript changed, and only that', async () => {
    appendFileSync(path.join(clone, 'lib', 'index.ts'), '// changed\n')
    expect(await ensured(), 'compil')
  })

  await steps.run('it builds when C++ changed, and only that', async () => {
    appendFileSync(path.join(clone, 'native', 'src', 'core', 'addon.cc'), '// changed\n')
    expect(await ensured(), 'build')
  })

  await steps.run('it makes again what was deleted or damaged', async () => {
    rmSync(path.join(clone, 'dist', 'index.js'))
    writeFileSync(path.join(clone, 'build', 'Release', 'sluice.node'), 'damaged')
    expect(await ensured(), 'build compil')
  })

  await steps.run('it takes over from a process that was killed', async () => {
    // The highest number; no process has this id.
    writeFileSync(path.join(lock, 'lock.1000'), String(2 ** 30))
    rmSync(path.join(clone, 'dist', 'index.js'))
    expect(await ensured(), 'compil')
  })

  await steps.run('without a compiler it says what to install', async () => {
    rmSync(path.join(clone, 'build'), { recursive: true })
    const { code, said } = await ensure({ CXX: '/nonexistent/c++' })
    if (code !== 1 || !/missing: a C\+\+ compiler.*Debian.*Fedora.*macOS/s.test(said))
      throw new Error(said)
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
steps.finish()
