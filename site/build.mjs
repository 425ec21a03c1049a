// Builds the site of the documents into .cache/site/dist: the pages as they stand, and a reference of the types.
//
//   npm run site
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { build } from 'vitepress'

const root = fileURLToPath(new URL('..', import.meta.url))
const site = path.join(root, '.cache/site')
const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) =>
    /^(docs\/.+|examples\/README|README|SECURITY|CONTRIBUTING|CHANGELOG)\.md$/.test(file),
  )

/** Sources are no pages: a link to one becomes plain text. */
function withoutLinksToSources(page) {
  const text = readFileSync(path.join(root, page), 'utf8')
  const links = /(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(?:#[^)\s]+)?\)/g
  return text.replaceAll(links, (link, name, to) => (to.endsWith('.md') ? link : name))
}

rmSync(site, { recursive: true, force: true })
for (const page of pages) {
  const copy = path.join(site, page)
  mkdirSync(path.dirname(copy), { recursive: true })
  writeFileSync(copy, withoutLinksToSources(page))
}
cpSync(path.join(root, 'bench/results'), path.join(site, 'bench/results'), { recursive: true })
cpSync(path.join(root, 'site/config.mjs'), path.join(site, '.vitepress/config.mjs'))
execFileSync(
  process.execPath,
  [
    path.join(root, 'node_modules/typedoc/bin/typedoc'),
    '--plugin',
    path.join(root, 'site/node_modules/typedoc-plugin-markdown/dist/index.js'),
    '--out',
    path.join(site, 'reference'),
    '--hidePageHeader',
    'true',
    '--logLevel',
    'Warn',
  ],
  { cwd: root, stdio: 'inherit' },
)
await build(site)
