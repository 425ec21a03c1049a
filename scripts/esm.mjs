// Writes the package's ESM entries: they re-export the CommonJS ones name by name, so that a
// process that imports and requires sluice has one copy of every class.
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

for (const entry of ['index']) {
  const names = Object.keys(require(`../dist/${entry}.cjs`)).sort()
  const list = names.join(', ')
  writeFileSync(
    new URL(`../dist/${entry}.js`, import.meta.url),
    `import sluice from './${entry}.cjs'\nexport const { ${list} } = sluice\n`,
  )
  writeFileSync(
    new URL(`../dist/${entry}.d.ts`, import.meta.url),
    `export * from './${entry}.cjs'\n`,
  )
}
