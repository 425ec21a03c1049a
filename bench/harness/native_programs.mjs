// Compiles the C++ programs of the benchmark when they are missing or older than their sources.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sources = join(root, 'bench/native')
const headers = join(root, 'native/include')
const output = join(root, '.cache/bench')

export const compilerFlags = ['-O2', '-std=c++20', '-Wall', '-Wextra', '-pthread']
export const compiler = process.env['CXX'] ?? 'c++'

/** The program's path. Throws when it cannot be built. */
export function nativeProgram(name) {
  const source = join(sources, `${name}.cc`)
  const program = join(output, name)
  if (modified(program) > newest(sources) && modified(program) > newest(headers)) return program
  mkdirSync(output, { recursive: true })
  // CXX may hold a wrapper or arguments: "ccache g++".
  const [command, ...first] = compiler.split(' ')
  const flags = [...first, ...compilerFlags, '-I', headers, source, '-o', program]
  const { error, status, stderr } = spawnSync(command, flags, { encoding: 'utf8' })
  if (error !== undefined) throw new Error(`no C++ compiler: ${error.message}`)
  if (status !== 0) throw new Error(`${source} does not compile: ${stderr.trim().slice(0, 2000)}`)
  return program
}

function newest(directory) {
  const files = readdirSync(directory, { recursive: true })
  return Math.max(...files.map((file) => modified(join(directory, file))))
}

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
