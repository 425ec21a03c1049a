/**
 * The programs of the pages of docs, as they stand and as an ordinary user, each twice in a row. What a
 * program prints is in the block of text behind it; one without such a block is started by another.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { root } from '../support/command.js'
import { programsOf, Project } from '../support/documents.js'
import { asRootForOthers, onlyIf, onWindows } from '../support/platform.js'

const pages = readdirSync(join(root, 'docs'))
  .filter((file) => file.endsWith('.md'))
  .map((file) => ({ page: `docs/${file}`, programs: programsOf(`docs/${file}`) }))
  .filter(({ programs }) => programs.length > 0)

test('there are pages with programs', () => {
  expect(pages.length).toBeGreaterThan(0)
})

describe.each(pages)('$page', ({ page, programs }) => {
  const isOfWindows = page === 'docs/named-pipes.md'
  const where = isOfWindows ? 'Windows' : 'Unix'
  const isHere = isOfWindows === onWindows
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
