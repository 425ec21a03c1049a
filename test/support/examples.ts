/**
 * The examples in the comments of lib. Each is a whole program but for the import of sluice's own names, so
 * that a reader can copy it; here one program of the compiler has all of them, one file each.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import ts from 'typescript'

import * as sluice from '../../lib/index.js'
import { root } from './command.js'
import { temporaryFolder } from './folder.js'
import { onWindows } from './platform.js'
import { collectGarbage } from './resources.js'
import { uniqueName } from './rings.js'

export interface Example {
  /** `lib/ring/ring.ts:40` */
  where: string
  code: string
  /** The file of lib, and where in it the example begins. */
  file: string
  position: number
  /** Its file in the compiler's program. */
  path: string
}

const block = /@example\n\s*\* ```ts\n([\s\S]*?)\n\s*\* ```/g

function examplesIn(file: string): Example[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(block)].map(({ 1: body = '', index }) => {
    const line = text.slice(0, index).split('\n').length
    const where = `${file}:${String(line)}`
    const path = join(root, 'test/core', `${where.replaceAll(/[^\w]/g, '_')}.ts`)
    const code = body.replaceAll(/^\s*\* ?/gm, '')
    return { where, code, file, position: index, path: path.replaceAll('\\', '/') }
  })
}

/** In the order of the files. */
export const examples: readonly Example[] = readdirSync(join(root, 'lib'), {
  recursive: true,
  encoding: 'utf8',
})
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `lib/${file.replaceAll('\\', '/')}`)
  .sort()
  .flatMap(examplesIn)

const names = Object.keys(sluice)

function compilerOptions(): ts.CompilerOptions {
  const config: unknown = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const paths = { sluice: [join(root, 'lib/index.ts')] }
  return { ...options, paths, esModuleInterop: true, noUnusedLocals: false }
}

/** All examples, and lib, compiled once. */
export const program: ts.Program = (() => {
  const sources = new Map(
    examples.map(({ path, code }) => [
      path,
      `import { ${names.join(', ')} } from 'sluice'\n${code}\nexport {}\n`,
    ]),
  )
  const options = compilerOptions()
  const host = ts.createCompilerHost(options)
  const fileExists = host.fileExists.bind(host)
  const readFile = host.readFile.bind(host)
  host.fileExists = (file) => sources.has(file) || fileExists(file)
  host.readFile = (file) => sources.get(file) ?? readFile(file)
  return ts.createProgram([...sources.keys(), join(root, 'lib/index.ts')], options, host)
})()

/** The complaints of the compiler. */
export function problemsOf({ path }: Example): string[] {
  const file = program.getSourceFile(path)
  return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'),
  )
}

// The names of rings, memory, sockets and files, and of pipes.
const named =
  /'(\/(?:run|tmp)\/[\w./-]+|[/@][\w-]+)'|(?<=(?:Server\.listen|connectNamedPipe)\()'(\w+)'/g

/** The example with names that nobody else uses, and each of them the same throughout. */
function withOwnNames(code: string): string {
  const own = new Map<string, string>()
  const make = (name: string) => {
    if (/^\/(run|tmp)\//.test(name)) return join(temporaryFolder(), basename(name))
    if (name.startsWith('/')) return uniqueName()
    return uniqueName().replace('/', name.startsWith('@') ? '@' : '')
  }
  return code.replaceAll(named, (_, path: string | undefined, pipe: string | undefined) => {
    const name = path ?? pipe ?? ''
    const made = own.get(name) ?? make(name)
    own.set(name, made)
    return JSON.stringify(made)
  })
}

const silent = { log: ignore, warn: ignore, error: ignore }

function ignore(): void {
  // An example prints for its reader, not for the test.
}

/** Runs the example to its end, as often as wanted under the same names. */
export async function run({ code }: Example, rounds: number): Promise<void> {
  const javascript = ts.transpile(withOwnNames(code), {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    esModuleInterop: true,
  })
  const given = { ...sluice, console: silent, exports: {}, require: createRequire(import.meta.url) }
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- running them is the test
  const main = new Function(...Object.keys(given), `return (async () => {${javascript}})()`) as (
    ...values: unknown[]
  ) => Promise<void>
  for (let round = 0; round < rounds; round++) {
    await main(...Object.values(given))
    if (onWindows) await unmapFiles()
  }
}

/** A mapping goes with its buffer, and Windows lets nobody write or remove a file that is mapped. */
async function unmapFiles(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    collectGarbage()
    await turn()
  }
}
