// The addon's source files for one system: the one list that binding.gyp and CMakeLists.txt share.
//
//   node scripts/sources.mjs linux     prints one path a line, relative to the working directory
//
// Nothing is listed by hand. Every native/src/**/*.cc belongs to every system, unless its name ends
// in a system's suffix: _linux.cc, _darwin.cc, _freebsd.cc, _win.cc; _bsd.cc for Darwin and FreeBSD,
// _posix.cc for all but Windows.

import { readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

// The names that Node (process.platform), gyp (OS) and CMake (CMAKE_SYSTEM_NAME) give to the
// systems.
const aliases = {
  linux: ['linux', 'Linux', 'android'],
  darwin: ['darwin', 'mac', 'Darwin'],
  freebsd: ['freebsd', 'FreeBSD'],
  win: ['win32', 'win', 'Windows'],
}
const suffixes = {
  linux: ['linux', 'posix'],
  darwin: ['darwin', 'bsd', 'posix'],
  freebsd: ['freebsd', 'bsd', 'posix'],
  win: ['win'],
}

/** @param {string} name @returns {string[]} */
export function sources(name) {
  const system = Object.keys(aliases).find((key) => aliases[key].includes(name))
  if (system === undefined) throw new Error(`no list of sources for the system '${name}'`)
  const foreign = new Set(Object.values(suffixes).flat())
  for (const suffix of suffixes[system]) foreign.delete(suffix)

  return readdirSync(path.join(root, 'native', 'src'), { recursive: true })
    .map((file) => String(file).replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.cc'))
    .filter((file) => !foreign.has(file.slice(0, -'.cc'.length).split('_').at(-1) ?? ''))
    .map((file) => path.join(root, 'native', 'src', file))
    .sort()
}

const script = process.argv[1]
if (script !== undefined && import.meta.url === pathToFileURL(script).href) {
  for (const source of sources(process.argv[2] ?? process.platform)) {
    console.log(path.relative('', source).replaceAll('\\', '/'))
  }
}
