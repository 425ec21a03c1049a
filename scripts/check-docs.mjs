// Every file and every heading that a document names must exist: links, also within the document, and code spans
// that are paths of this tree. And docs/README.md leads to every page of docs.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { root } from './packed.mjs'
import { Steps } from './steps.mjs'

const folders = 'bench|docs|examples|lib|native|prebuilds|scripts|test'
const link = /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g
const span = new RegExp(`\`((?:${folders})/[\\w./-]*\\w)\``, 'g')
const index = 'docs/README.md'

const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '')

function proseOf(document) {
  const text = readFileSync(path.join(root, document), 'utf8')
  return text.replaceAll(/^```.*?^```/gms, '')
}

/** The anchors that a reader on GitHub has: of each heading its letters, digits, hyphens. */
function anchorsOf(document) {
  const seen = new Map()
  return [...proseOf(document).matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading]) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${times}`
  })
}

function linksOf(document) {
  return [...proseOf(document).matchAll(link)].map(([, to, anchor]) => ({
    to: to === '' ? document : path.join(path.dirname(document), to),
    anchor,
  }))
}

const steps = new Steps()
for (const document of documents) {
  await steps.run(`${document} names files and headings that exist`, () => {
    const links = linksOf(document)
    const spans = [...proseOf(document).matchAll(span)].map(([, to]) => to)
    const missing = [...links.map(({ to }) => to), ...spans].filter(
      (to) => !existsSync(path.join(root, to)),
    )
    const astray = links
      .filter(
        ({ to, anchor }) => anchor !== undefined && to.endsWith('.md') && !missing.includes(to),
      )
      .filter(({ to, anchor }) => !anchorsOf(to).includes(anchor))
      .map(({ to, anchor }) => `${to}#${anchor}`)
    const wrong = [...new Set([...missing, ...astray])]
    if (wrong.length > 0) throw new Error(`not there: ${wrong.join(', ')}`)
  })
}
await steps.run(`${index} leads to every page`, () => {
  const listed = new Set(linksOf(index).map(({ to }) => to))
  const pages = documents.filter((file) => /^docs\/[^/]+\.md$/.test(file) && file !== index)
  const unlisted = pages.filter((page) => !listed.has(page))
  if (unlisted.length > 0) throw new Error(`not listed: ${unlisted.join(', ')}`)
})
steps.finish()
