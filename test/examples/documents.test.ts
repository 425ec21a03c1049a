/**
 * The programs of the pages of docs, as they stand and as an ordinary user, each twice in a row. What a
 * program prints is in the block of text behind it; one without such a block is started by another.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

import { root } from '../support/command.js'
import { programsOf, Project } from '../support/documents.js'
import { asRootForOthers, onlyIf, onWindows, underWine } from '../support/platform.js'

// The code of bundlers.md is run by `npm run test:package`, with the bundlers themselves.
const pages = readdirSync(join(root, 'docs'))
  .filter((file) => file.endsWith('.md') && file !== 'bundlers.md')
  .map((file) => ({ page: `docs/${file}`, programs: programsOf(`docs/${file}`) }))
  .filter(({ programs }) => programs.length > 0)

test('there are pages with programs', () => {
  expect(pages.length).toBeGreaterThan(0)
})

const slashed = (path: string) => path.replaceAll('\\', '/') // as the compiler has it

// All of them, also those that are for another system.
test('all programs call what there is', () => {
  const folder = join(root, 'docs')
  const sources = new Map<string, string>(
    pages.flatMap(({ page, programs }) =>
      programs.map(({ file, body }) => [`${slashed(join(root, page))}.${file}`, body] as const),
    ),
  )
  const options: ts.CompilerOptions = {
    allowJs: true,
    checkJs: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    paths: { sluice: [join(root, 'lib/index.ts')] },
    noEmit: true,
    skipLibCheck: true,
  }
  const host = ts.createCompilerHost(options)
  const fileExists = host.fileExists.bind(host)
  const readFile = host.readFile.bind(host)
  host.getCurrentDirectory = () => folder
  host.fileExists = (file) => sources.has(file) || fileExists(file)
  host.readFile = (file) => sources.get(file) ?? readFile(file)
  const program = ts.createProgram([...sources.keys()], options, host)
  const problems = program
    .getSourceFiles()
    .filter(({ fileName }) => sources.has(fileName))
    .flatMap((file) => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ])
    .map(
      ({ file, messageText }) =>
        `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    )
  expect(problems).toEqual([])
}, 120_000)

describe.each(pages)('$page', ({ page, programs }) => {
  const isOfWindows = page === 'docs/named-pipes.md'
  const where = isOfWindows ? 'Windows' : 'Unix'
  const isHere = isOfWindows === onWindows && !underWine // it tells no process ids
  const files = programs.map(({ file }) => file)
  const run = programs.filter(({ output }) => output !== undefined)

  test('every block of code is a program, which is run here or by another', () => {
    expect(files).not.toContain('without a name')
    expect(new Set(files).size).toBe(files.length)
    const text = run.map(({ body }) => body).join('')
    for (const { file, output } of programs) {
      if (output === undefined) expect(text).toContain(file)
    }
  })

  async function runsTwice(file: string, uid?: number): Promise<void> {
    const project = new Project(programs, uid)
    const expected = programs.find((program) => program.file === file)?.output
    for (let round = 0; round < 2; round++) expect(await project.run(file)).toBe(expected)
  }

  const names = run.map(({ file }) => file)
  const here = onlyIf(isHere, `the programs of this page are for ${where}`)
  here.each(names)('%s', async (file) => {
    await runsTwice(file)
  })
  const others = isHere ? asRootForOthers : here
  others.each(names)('%s, by another user than root', async (file) => {
    await runsTwice(file, 65534)
  })
})
