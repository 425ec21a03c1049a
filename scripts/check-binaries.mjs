// Looks at the binaries in prebuilds/: how large each is, which libraries and which versions of their
// symbols it needs, and whether it imports anything that is neither of Node nor of the system. Prints a
// line for each; exits with 1 when one breaks a limit. Needs LLVM's tools.
//
//   node scripts/check-binaries.mjs                  all that are there
//   node scripts/check-binaries.mjs FILE...          these
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

import { root, run } from './packed.mjs'
import { Steps } from './steps.mjs'
import { llvmTool, zigLibrary } from './zig.mjs'

const limit = { bytes: 600_000, GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' }

const { symbols } = createRequire(import.meta.url)('node-api-headers')
const nodeApi = new Set([...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols])
const isOfNode = (name) => nodeApi.has(name) || /^uv_[a-z_]+$/.test(name)

// The libraries that every system of the kind has.
const libraries = {
  glibc: /^(lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  musl: /^(libc\.so|libc\.musl-(x86_64|aarch64)\.so\.1|lib(stdc\+\+|gcc_s)\.so\.\d+)$/,
  freebsd: /^lib(c|m|thr|dl|rt|sys)\.so\.\d+$/,
  darwin: /^\/usr\/lib\/lib(System\.B|c\+\+\.1)\.dylib$/,
  win32: /^(kernel32|advapi32|bcrypt|ntdll|ws2_32|user32|msvcrt|node)\.(dll|exe)$/i,
}
// Functions of the compiler's own library and of the C++ library.
const ofRuntime =
  /^(_?_ITM_|__gmon_start__$|_Unwind_|__cxa_|__gxx_personality_|_ZS|_ZNK?S|_ZT[ISV]|_Zn|_Zd)/

function readElf(file) {
  const dynamic = run(llvmTool('readelf'), ['--dynamic', file])
  const undefinedNames = run(llvmTool('nm'), ['--dynamic', '--undefined-only', file])
  return {
    needed: [...dynamic.matchAll(/\(NEEDED\)\s+Shared library: \[(.*?)\]/g)].map(
      ([, name]) => name,
    ),
    imports: [...undefinedNames.matchAll(/^\s*[Uwv] (\w+)(?:@+(\S+))?$/gm)].map(
      ([, name, version]) => ({ name, version }),
    ),
  }
}

/** What a binary needs: libraries, and imports as `{ name, version?, library? }`. */
const readers = {
  linux: readElf,
  freebsd: readElf,
  darwin(file) {
    const dylibs = run(llvmTool('objdump'), ['--macho', '--dylibs-used', file])
    const undefinedNames = run(llvmTool('nm'), ['--undefined-only', '-m', file])
    const line = /external _(\S+) \((?:from (\S+)|dynamically looked up)\)$/gm
    return {
      // The first can be the library's own name.
      needed: [...dylibs.matchAll(/^\t(\S+) \(/gm)]
        .map(([, name]) => name)
        .filter((name) => !name.endsWith('sluice.node')),
      // A function that is looked up when the addon is loaded may be anybody's: its name must tell.
      imports: [...undefinedNames.matchAll(line)].map(([, name, library]) => ({ name, library })),
    }
  },
  win32(file) {
    const listing = run(llvmTool('readobj'), ['--coff-imports', file])
    const imports = []
    let library
    for (const [, key, value] of listing.matchAll(/^ *(Name|Symbol): (\S+)/gm)) {
      if (key === 'Name') library = value
      else imports.push({ name: value, library: library === 'node.exe' ? undefined : library })
    }
    return { needed: [...listing.matchAll(/^ *Name: (\S+)/gm)].map(([, name]) => name), imports }
  },
}

/** musl's functions have no versions: those that it has are the ones of zig's copy. */
const muslHas = once(() => {
  const stub = readFileSync(path.join(zigLibrary(), 'libc', 'musl', 'libc.S'), 'utf8')
  return new Set([...stub.matchAll(/^(?:\.globl|\.weak|WEAK\w+) (\w+)/gm)].map(([, name]) => name))
})

function once(make) {
  let value
  return () => (value ??= make())
}

/** Examines one binary, for a system that its folder's name tells. */
export function examine(file, system = systemOf(file)) {
  const read = readers[system]
  const library = /\.(glibc|musl)\.node$/.exec(file)?.[1] ?? system
  const { needed, imports } = read(file)
  const { size } = statSync(file)

  const wrong = []
  if (size > limit.bytes) wrong.push(`it is larger than ${limit.bytes} bytes`)
  if (imports.length === 0) wrong.push('no import of it could be read')
  for (const name of needed) {
    if (!libraries[library].test(name)) wrong.push(`it needs the library ${name}`)
  }
  const highest = {}
  for (const { name, version = '', library: from } of imports) {
    const [, set, number] = /^([A-Z]+)_([\d.]+)$/.exec(version) ?? []
    if (set !== undefined) {
      if (highest[set] === undefined || isNewer(number, highest[set])) highest[set] = number
      if (limit[set] !== undefined && isNewer(number, limit[set]))
        wrong.push(`${name} needs ${version}, newer than ${set}_${limit[set]}`)
      continue
    }
    const known =
      isOfNode(name) ||
      ofRuntime.test(name) ||
      from !== undefined ||
      (library === 'musl' && muslHas().has(name))
    if (!known) wrong.push(`nothing is known that has ${name}`)
  }
  const versions = Object.entries(highest).map(([set, number]) => `${set}_${number}`)
  return { size, needed, versions, imports: imports.length, wrong }
}

function systemOf(file) {
  const [, system] = /(linux|darwin|win32)-[a-z0-9+]+$/.exec(path.dirname(file)) ?? []
  if (system === undefined) throw new Error(`${file} lies in no folder of a platform`)
  return system
}

function isNewer(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number))
  const i = a.findIndex((part, index) => part !== (b[index] ?? 0))
  return i !== -1 && a[i] > (b[i] ?? 0)
}

/** One step for each of these binaries. */
export async function checkBinaries(files, steps) {
  for (const file of files) {
    await steps.run(path.relative(root, file), () => {
      const { size, needed, versions, imports, wrong } = examine(file)
      console.log(
        `        ${size} bytes, ${imports} imports, ${versions.join(' ') || 'no versions'}, ` +
          `needs ${needed.join(' ') || 'no library'}`,
      )
      if (wrong.length > 0) throw new Error(wrong.join('\n'))
    })
  }
}

/** The binaries of prebuilds/. */
export function binaries() {
  const folder = path.join(root, 'prebuilds')
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.node'))
    .sort()
    .map((file) => path.join(folder, file))
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const files = process.argv.slice(2).map((file) => path.resolve(file))
  const steps = new Steps()
  await checkBinaries(files.length > 0 ? files : binaries(), steps)
  steps.finish()
}
