// Every file that a document names must exist: links, and code spans that are paths of this tree.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { root } from './packed.mjs'
import { Steps } from './steps.mjs'

const folders = 'bench|docs|examples|lib|native|prebuilds|scripts|test'
const link = /\]\((?!https?:|#)([^)#\s]+)/g
const span = new RegExp(`\`((?:${folders})/[\\w./-]*\\w)\``, 'g')

const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '')

const steps = new Steps()
for (const document of documents) {
  await steps.run(`${document} names files that exist`, () => {
    const text = readFileSync(path.join(root, document), 'utf8').replaceAll(/^```.*?^```/gms, '')
    const links = [...text.matchAll(link)].map(([, to]) => path.join(path.dirname(document), to))
    const spans = [...text.matchAll(span)].map(([, to]) => to)
    const missing = [...links, ...spans].filter((to) => !existsSync(path.join(root, to)))
    if (missing.length > 0) throw new Error(`not there: ${[...new Set(missing)].join(', ')}`)
  })
}
steps.finish()
