/** The examples in the comments of lib compile, and those that stand alone run. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

import * as sluice from '../../lib/index.js'
import { uniqueName } from '../support/rings.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

interface Example {
  where: string
  code: string
}

function examples(): Example[] {
  return readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replaceAll('\\', '/'))
    .sort()
    .flatMap((file) => {
      const text = readFileSync(join(root, 'lib', file), 'utf8')
      const blocks = [...text.matchAll(/@example\n\s*\* ```ts\n([\s\S]*?)\s*\* ```/g)]
      return blocks.flatMap(([, body = ''], i) => {
        const code = body.replace(/^\s*\* ?/gm, '')
        // A comment of its own line begins the part of another process.
        return code.split(/\n(?=\/\/ another\b)/).map((part, j) => ({
          where: `lib/${file} #${String(i + 1)}.${String(j + 1)}`,
          code: part,
        }))
      })
    })
}

// Declarations that an example may take as given.
const given = `
declare const ring: Ring, producer: Producer, consumer: Consumer
declare const bytes: Uint8Array, price: number, quantity: number
`

/** Given names that the example declares itself are not given. */
function prelude(code: string): string {
  const types = Object.keys(sluice).join(', ')
  const own = (name: string) => new RegExp(`\\b(const|let) ${name}\\b`).test(code)
  const ends = ['ring: Ring', 'producer: Producer', 'consumer: Consumer']
    .filter((declaration) => !own(declaration.split(':')[0] ?? ''))
    .map((declaration) => `declare const ${declaration}`)
  return [
    `import { ${types}, type Producer, type Consumer } from '../../lib/index.js'`,
    ...ends,
    given.trim().split('\n')[1],
    '',
  ].join('\n')
}

const path = join(root, 'test/core/example.ts')
const config: unknown = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const compilerOptions = { ...options, noUnusedLocals: false }
const host = ts.createCompilerHost(compilerOptions)
const fileExists = host.fileExists.bind(host)
const readFile = host.readFile.bind(host)
const getSourceFile = host.getSourceFile.bind(host)
let source = ''
host.fileExists = (file) => file === path || fileExists(file)
host.readFile = (file) => (file === path ? source : readFile(file))

// All but the example itself is the same each time: read once, and checked once by one program.
const sources = new Map<string, ts.SourceFile | undefined>()
host.getSourceFile = (file, ...how) => {
  if (file === path) return getSourceFile(file, ...how)
  if (!sources.has(file)) sources.set(file, getSourceFile(file, ...how))
  return sources.get(file)
}
let program: ts.Program | undefined

function problems({ code }: Example): string[] {
  source = `${prelude(code)}${code}\nexport {}\n`
  program = ts.createProgram([path], compilerOptions, host, program)
  const file = program.getSourceFile(path)
  return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'),
  )
}

const all = examples()

test('there are examples, of all that is exported to be called', () => {
  const files = new Set(all.map(({ where }) => where.split(' ')[0]?.slice('lib/'.length)))
  for (const file of [
    'ring/ring.ts',
    'ring/producer.ts',
    'ring/consumer.ts',
    'memory/shared_memory.ts',
    'capabilities.ts',
    'core/errors.ts',
  ]) {
    expect(files).toContain(file)
  }
})

describe('type-checks', () => {
  test.each(all)('$where', (example) => {
    expect(problems(example)).toEqual([])
  })
})

describe('runs', () => {
  // Examples of one process, whose names are made unique; the others need their peer.
  const standing = all.filter(({ code }) => /capabilities\(\)|SharedMemory\.create/.test(code))
  test.each(standing)('$where', async ({ code }) => {
    const name = uniqueName()
    const javascript = ts.transpile(code.replaceAll("'/counters'", JSON.stringify(name)), {
      target: ts.ScriptTarget.ES2022,
    })
    const names = Object.keys(sluice)
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- running them is the test
    const run = new Function(...names, `return (async () => {${javascript}})()`) as (
      ...values: unknown[]
    ) => Promise<void>
    for (let round = 0; round < 2; round++) await run(...Object.values(sluice))
  })
})
