// Checks that the C++ sources keep to their layers: no include runs up, none goes to a folder beside,
// no files include each other in a circle, and a header that a user includes needs nothing but the
// standard library, the system and its own kind.
//
//   node scripts/check-includes.mjs              the repository's own native/
//   node scripts/check-includes.mjs FOLDER       another folder that has a native/ (the tests' fixtures)
//
// Prints a line for each fault, and ends with how many there are of each kind.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

// The folders from the bottom to the top. A file includes from its own folder and from those below;
// folders of one line do not know each other.
const layers = [
  ['native/include/sluice', 'native/include/sluice/detail'], // one library: these two may
  ['native/src/core'],
  ['native/src/memory'],
  ['native/src/ring', 'native/src/socket', 'native/src/pipe'],
  ['native/src'],
]
const headers = layers[0]
const roots = ['native/include', 'native/src']

const root = process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const files = roots.flatMap(sourcesIn).sort()
const faults = { up: [], beside: [], unknown: [], circle: [] }

/** The files of each file's includes, as paths from the root. */
const includes = new Map(files.map((file) => [file, includesOf(file)]))
for (const [file, included] of includes) for (const other of included) checkLayers(file, other)
for (const circle of circles(includes)) {
  faults.circle.push(`${circle.join(' and ')} include each other in a circle`)
}

for (const fault of Object.values(faults).flat()) console.log(fault)
console.log(
  `${files.length} files: ${faults.up.length} includes run up, ${faults.beside.length} go to a folder ` +
    `beside, ${faults.unknown.length} are unknown, ${faults.circle.length} circles`,
)
process.exitCode = Object.values(faults).flat().length === 0 ? 0 : 1

function sourcesIn(folder) {
  const absolute = path.join(root, folder)
  if (!existsSync(absolute)) return []
  return readdirSync(absolute, { recursive: true })
    .map((file) => path.posix.join(folder, String(file).replaceAll('\\', '/')))
    .filter((file) => /\.(cc|hpp)$/.test(file))
}

function includesOf(file) {
  const found = []
  const text = readFileSync(path.join(root, file), 'utf8')
  for (const [, bracket, name] of text.matchAll(/^\s*#\s*include\s*(["<])([^">]+)[">]/gm)) {
    const target = bracket === '"' ? resolve(name) : undefined
    if (target !== undefined) found.push(target)
    else if (bracket === '"') faults.unknown.push(`${file}: there is no "${name}"`)
    else if (headers.includes(folderOf(file)) && isOfNode(name)) {
      faults.unknown.push(`${file}: a public header cannot have <${name}>`)
    }
  }
  return found
}

function resolve(name) {
  return roots.map((folder) => path.posix.join(folder, name)).find((file) => files.includes(file))
}

/** Node's headers, which a program that is no addon has not. */
function isOfNode(name) {
  return /^(napi|node|uv|v8)\b/.test(name) || name.startsWith('node_')
}

function checkLayers(file, other) {
  const [from, to] = [folderOf(file), folderOf(other)]
  if (from === to || (headers.includes(from) && headers.includes(to))) return
  const [above, below] = [rankOf(from, file), rankOf(to, other)]
  if (above === undefined || below === undefined || below < above) return
  if (below > above) faults.up.push(`${file}: ${other} lies above it`)
  else faults.beside.push(`${file}: ${other} lies beside it`)
}

function folderOf(file) {
  return path.posix.dirname(file)
}

function rankOf(folder, file) {
  const rank = layers.findIndex((layer) => layer.includes(folder))
  if (rank >= 0) return rank
  const fault = `${file}: its folder has no layer in scripts/check-includes.mjs`
  if (!faults.unknown.includes(fault)) faults.unknown.push(fault)
  return undefined
}

/** Tarjan's strongly connected components, those of more than one file. */
function circles(graph) {
  const found = []
  const state = new Map()
  const stack = []
  const visit = (file) => {
    const own = { index: state.size, low: state.size, open: true }
    state.set(file, own)
    stack.push(file)
    for (const next of graph.get(file) ?? []) {
      const other = state.get(next) ?? visit(next)
      if (other.open) own.low = Math.min(own.low, other.low)
    }
    if (own.low === own.index) {
      const members = stack.splice(stack.indexOf(file))
      for (const member of members) state.get(member).open = false
      if (members.length > 1) found.push(members.sort())
    }
    return own
  }
  for (const file of graph.keys()) if (!state.has(file)) visit(file)
  return found
}
