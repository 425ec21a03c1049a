/**
 * Finds and loads the addon's binary, from the package itself, from its source, or from a bundle that
 * was made of it; where that fails, the error says the cause first and then what to do.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { SluiceError } from './errors.js'
import { exists } from './exists.js'
import { version } from './version.js'

const platform = `${process.platform}-${process.arch}`

/** The raw exports of the addon. */
export function loadAddon(): unknown {
  const { root, path } = findAddon()
  let addon: unknown
  try {
    addon = load(root, path)
  } catch (cause) {
    throw failure(whyNotLoaded(root, path, cause), cause)
  }
  requireVersion(addon, root, path)
  return addon
}

/** A binary that was copied or built once may have stayed when the JavaScript was replaced. */
function requireVersion(addon: unknown, root: string, path: string): void {
  const { version: found } = addon as { version?: string }
  if (found === version) return
  throw new SluiceError(
    'ERR_SLUICE_NATIVE_MISMATCH',
    `sluice is of version ${version}, and its binary of ${found ?? 'an older one'}: install sluice anew, ` +
      'copy its prebuilds to the bundle again, or where the binary was built on this machine, do so again ' +
      `with ${buildCommand(root)}. It is ${path}`,
  )
}

interface Addon {
  /** The package's folder. */
  root: string
  /** The binary. */
  path: string
}

function findAddon(): Addon {
  const starts = startingPoints()
  for (const start of starts) {
    const copied = binaryBeside(start)
    if (copied !== undefined) return { root: 'node_modules/sluice', path: copied }
    const root = packageAbove(start)
    if (root !== undefined) return { root, path: findBinary(root) }
  }
  throw failure(
    hasPermissionModel()
      ? "Node's permission model does not let sluice read its own package; allow it with " +
          '--allow-fs-read=<its folder> and --allow-addons'
      : `sluice's package, with the binary, is not to be found from ${starts.join(' nor ')}, as if ` +
          'sluice were bundled: mark it as external (esbuild: --external:sluice, webpack: ' +
          "externals: ['sluice']) and install it beside the bundle, or copy " +
          'node_modules/sluice/prebuilds there',
  )
}

/** The binary in `prebuilds`, where that was copied beside a bundle or an executable. */
function binaryBeside(directory: string): string | undefined {
  const prebuilds = join(directory, 'prebuilds')
  const system = entries(prebuilds).find((entry) => matchesThisSystem(entry))
  if (system === undefined) return undefined
  const library = exists('/etc/alpine-release') ? 'musl' : 'glibc'
  const names = ['sluice.node', `sluice.${library}.node`]
  const name = entries(join(prebuilds, system)).find((entry) => names.includes(entry))
  return name === undefined ? undefined : join(prebuilds, system, name)
}

interface NodeGypBuild {
  (directory: string): unknown
  resolve(directory: string): string
}

// A build of this machine's first, else one of prebuilds/ that fits.
function findBinary(root: string): string {
  const builtInPackage = join(root, 'native', 'build', 'Release', 'sluice.node')
  if (exists(builtInPackage)) return builtInPackage
  try {
    const finder = createRequire(join(root, 'package.json'))('node-gyp-build') as NodeGypBuild
    return finder.resolve(root)
  } catch (cause) {
    throw failure(whyNotFound(root, cause), cause)
  }
}

function load(root: string, path: string): unknown {
  const asPublished =
    typeof require === 'function' && typeof __dirname === 'string' && root === join(__dirname, '..')
  if (asPublished && !path.startsWith(join(root, 'native'))) {
    // Vercel's nft knows this very expression, and takes node-gyp-build and the binary along.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- there is no other form of it
    return (require('node-gyp-build') as NodeGypBuild)(join(__dirname, '..'))
  }
  return createRequire(path)(path)
}

/**
 * Where this code is. A bundle may know it by neither name (of CommonJS in a bundle of ESM nothing is
 * left), or by a false one; then the program's own place is as good. Nothing here asks whether there
 * is a `document`: jsdom and Electron's renderers have one, and the code is in a file all the same.
 */
function startingPoints(): string[] {
  const here = import.meta.url as string | undefined
  const program = process.argv[1] as string | undefined
  const places = [
    typeof __filename === 'string' ? dirname(__filename) : undefined,
    here?.startsWith('file:') === true ? dirname(fileURLToPath(here)) : undefined,
    // Without a program, as with `node -e`, whoever runs the code is in the folder that is meant; with one,
    // that folder can be anybody's, and what it holds must not be run.
    program === undefined ? workingDirectory() : dirname(program),
  ]
  return [...new Set(places.filter((place) => place !== undefined))]
}

/** It may have been removed. */
function workingDirectory(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/** The package, or where it is installed, in a folder or one above it. */
function packageAbove(start: string): string | undefined {
  for (let directory = start; ; directory = dirname(directory)) {
    if (isPackage(directory)) return directory
    const installed = join(directory, 'node_modules', 'sluice')
    if (isPackage(installed)) return installed
    if (dirname(directory) === directory) return undefined
  }
}

function isPackage(directory: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
      name?: unknown
    }
    return name === 'sluice'
  } catch {
    return false
  }
}

function whyNotFound(root: string, cause: unknown): string {
  if (codeOf(cause) === 'ERR_ACCESS_DENIED') return notReadable(cause, root)
  if (codeOf(cause) === 'MODULE_NOT_FOUND') {
    return "node-gyp-build, which finds sluice's binary, is not installed; install sluice with its dependencies"
  }
  const build = `build one with ${buildCommand(root)}`
  const systems = entries(join(root, 'prebuilds')).filter((entry) => entry.includes('-'))
  const own = systems.find((system) => matchesThisSystem(system))
  if (own !== undefined) {
    const files = entries(join(root, 'prebuilds', own)).join(', ')
    return `sluice's binaries for ${own} are for another C library than this system's (${files}); ${build}`
  }
  const others = systems.length === 0 ? '' : `, only for ${systems.join(', ')}`
  return `sluice has no binary for ${platform}${others}; ${build}`
}

/** The path is that of the refused call: node-gyp-build reads files outside of the package, too. */
function notReadable(cause: unknown, about: string): string {
  const { resource = about } = cause as { resource?: string }
  return `Node's permission model does not let ${resource} be read; allow it with --allow-fs-read=${resource}`
}

function matchesThisSystem(system: string): boolean {
  const [name, architectures = ''] = system.split('-')
  return name === process.platform && architectures.split('+').includes(process.arch)
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** From any folder; `native` holds binding.gyp, see docs/decisions/0088. */
function buildCommand(root: string): string {
  return (
    `\`npx node-gyp rebuild -C "${join(root, 'native')}"\`, which needs python3, make and a C++20 ` +
    'compiler (Debian and Alpine: python3 make g++; Fedora: python3 make gcc-c++)'
  )
}

/** By what the dynamic loaders say: glibc's, musl's, macOS' and Windows'. */
function whyNotLoaded(root: string, path: string, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (codeOf(cause) === 'ERR_DLOPEN_DISABLED') {
    return hasPermissionModel()
      ? "Node's permission model forbids native addons, and sluice is one; allow them with --allow-addons"
      : '--no-addons forbids native addons, and sluice is one; start Node without it (see NODE_OPTIONS)'
  }
  if (codeOf(cause) === 'ERR_ACCESS_DENIED') return notReadable(cause, path)
  const needed = /version [`'](GLIBC(?:XX)?)_([\d.]+)' not found/.exec(message)
  if (needed !== null) {
    const [, symbols, version = ''] = needed
    const library = symbols === 'GLIBC' ? 'glibc' : 'libstdc++ (GLIBCXX)'
    return (
      `sluice's binary needs ${library} ${version} or newer, and this system has an older ` +
      `one; build it here with ${buildCommand(root)}`
    )
  }
  if (foreignArchitecture.test(message)) {
    return (
      `sluice's binary is for another system or processor than ${platform} (were node_modules copied ` +
      `from another machine, or an image?): install it anew here. It is ${path}`
    )
  }
  if (foreignLibrary.test(message)) {
    return (
      `sluice's binary is for another C library (glibc, musl) than this system's: install it anew ` +
      `here, or build it with ${buildCommand(root)}. It is ${path}`
    )
  }
  if (!exists(path)) return `sluice's binary has gone: ${path}; install sluice anew`
  return `sluice's binary cannot be loaded: ${message}`
}

const foreignArchitecture =
  /invalid ELF header|wrong ELF class|Exec format error|incompatible architecture|not a mach-o file|not a valid Win32|cannot open shared object file: No such file or directory.*ld-linux/i
const foreignLibrary =
  /ld-linux|ld-musl|libc\.musl|libc\.so\.6|Error relocating|symbol not found|undefined symbol: __(?:libc|.*_chk)/i

function hasPermissionModel(): boolean {
  return (process as { permission?: unknown }).permission !== undefined
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code
}

function failure(message: string, cause?: unknown): SluiceError {
  return new SluiceError('ERR_SLUICE_NATIVE_MISSING', message, { cause })
}
