// Packs sluice as it would be published, and installs the pack as a user would.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** Runs a program and returns what it prints; its errors come with all that it printed. */
export function run(command, args, options = {}) {
  try {
    return execFileSync(command, args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 300_000,
      maxBuffer: 2 ** 26,
      ...options,
    })
  } catch (error) {
    throw new Error(
      `${command} ${args.join(' ')}: exit code ${error.status ?? error.code}, signal ${error.signal}\n` +
        `${error.stdout ?? ''}${error.stderr ?? ''}`,
      { cause: error },
    )
  }
}

/** Builds the binary for this platform into prebuilds/, and what else of the package is stale. */
export function build() {
  run('npm', ['run', 'build:binary'], { env: { ...process.env, npm_config_jobs: 'max' } })
  run(process.execPath, ['scripts/ensure.mjs', '--package'])
}

/** What would be published: `size`, packed, and each file's `path` and `size`; in bytes. */
export function listPackage() {
  const [listing] = JSON.parse(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']))
  return listing
}

/** Packs into a folder, and builds before what was never built; returns the tarball's path. */
export function packInto(folder) {
  run(process.execPath, ['scripts/ensure.mjs', '--package'])
  const options = ['--json', '--ignore-scripts', '--pack-destination', folder]
  const [{ filename }] = JSON.parse(run('npm', ['pack', ...options]))
  return path.join(folder, filename)
}

/**
 * A folder with an installed package, its tarball and the programs of test/package; `remove` deletes
 * it.
 */
export function installPackage() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-package-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const tarball = packInto(folder)
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
    run('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: folder })
    cpSync(path.join(root, 'test', 'package'), folder, { recursive: true })
    const installed = path.join(folder, 'node_modules', 'sluice')
    if (!existsSync(path.join(installed, 'package.json'))) throw new Error('npm installed nothing')
    return { folder, installed, tarball, remove }
  } catch (error) {
    remove()
    throw error
  }
}
