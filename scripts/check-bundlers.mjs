// Runs docs/bundlers.md: each block of commands in a project with the packed package, and where it makes
// a bundle that needs no node_modules, the bundle once more in a folder of its own.
import {
  existsSync,
  mkdtempSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { packInto, root, run } from './packed.mjs'
import { Steps } from './steps.mjs'

const bundlers = [
  '@rollup/plugin-commonjs@29',
  '@rollup/plugin-node-resolve@16',
  '@vercel/ncc@0.45',
  '@vercel/nft@1',
  'esbuild@0.28',
  'postject@1.0.0-alpha.6',
  'rollup@4',
  'vite@8',
  'webpack@5',
  'webpack-cli@7',
]

const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bundlers-'))
const project = path.join(folder, 'project')
const out = path.join(project, 'out')

/** The headings, files and commands of the page, in their order. */
function* blocks(text) {
  let heading = ''
  for (const match of text.matchAll(/^## ([^\n]*)$|^```(\w+)\n(.*?)^```$/gms)) {
    const [, title, language, content] = match
    if (title !== undefined) heading = title
    else yield { heading, language, content }
  }
}

function runBlock(commands) {
  const last = commands.trimEnd().split('\n').at(-1)
  rmSync(out, { recursive: true, force: true })
  expectToWork(run('sh', ['-ec', commands], { cwd: project }))
  if (!existsSync(path.join(out, 'prebuilds')) && !existsSync(path.join(out, 'node_modules')))
    return
  const alone = mkdtempSync(path.join(folder, 'alone-'))
  renameSync(out, path.join(alone, 'out'))
  expectToWork(run('sh', ['-ec', last], { cwd: alone }))
}

function expectToWork(said) {
  if (!said.endsWith('it works\n')) throw new Error(said)
}

const steps = new Steps()
try {
  await steps.run('the bundlers are fetched', () => {
    mkdirSync(project)
    writeFileSync(path.join(project, 'package.json'), '{ "private": true }\n')
    const packs = [packInto(folder), ...bundlers]
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packs], {
      cwd: project,
    })
  })
  for (const block of blocks(readFileSync(path.join(root, 'docs', 'bundlers.md'), 'utf8'))) {
    const { heading, language, content } = block
    if (language === 'sh') {
      await steps.run(`${heading}: ${content.split('\n')[0]}`, () => runBlock(content))
    } else {
      const [first, ...lines] = content.split('\n')
      writeFileSync(path.join(project, first.slice('// '.length)), lines.join('\n'))
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
steps.finish()
