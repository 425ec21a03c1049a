/** `npm run lint` holds lib to its layers: here is a small lib that breaks each rule once. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'

import { node, root } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { unixOnly } from '../support/platform.js'

const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')

interface Report {
  summary: { violations: { from: string; to: string; rule: { name: string } }[] }
}

/** The violations of the rules in a lib with these files, as `rule: from -> to`. */
async function violations(files: Record<string, string>): Promise<string[]> {
  const folder = temporaryFolder()
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, 'lib', file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  const config = join(root, '.dependency-cruiser.mjs')
  const args = [cruiser, '--config', config, '--output-type', 'json', 'lib']
  const { stdout, stderr } = await node(args, { cwd: folder }).finished
  expect(stderr).toBe('')
  const { summary } = JSON.parse(stdout.toString()) as Report
  return summary.violations
    .map(({ from, to, rule }) => `${rule.name}: ${from.slice(4)} -> ${to.slice(4)}`)
    .sort()
}

unixOnly('lib is the same everywhere, and is checked where npm run lint runs')(
  'an import that runs up, aside or in a circle is told, also of a type alone; others are not',
  async () => {
    expect(
      await violations({
        // Allowed: an import from a lower layer.
        'memory/memory.ts':
          "import type { Failure } from '../core/errors.js'\nexport type None = Failure",
        'ring/ring.ts': "export * from '../memory/memory.js'",
        'socket/socket.ts': "export * from '../ring/ring.js'",
        'cli/main.ts': "export * from '../index.js'",
        // Each breaks a rule.
        'core/errors.ts':
          "import type { Way } from '../socket/types.js'\nexport type Failure = Way",
        'socket/types.ts': 'export type Way = 1',
        'memory/list.ts': "export type { None } from '../ring/ring.js'",
        'pipe/pipe.ts': "export type { None } from '../socket/socket.js'",
        'socket/top.ts': "export type { None } from '../index.js'",
        'ring/reader.ts': "import { Writer } from './writer.js'\nexport const reader = Writer",
        'ring/writer.ts':
          "import type { reader } from './reader.js'\nexport class Writer { to?: typeof reader }",
        'socket/help.ts': "export * from '../cli/main.js'",
        'strange/new.ts': 'export const one = 1',
        'index.ts': "export * from './strange/new.js'\nexport * from './nowhere.js'",
      }),
    ).toEqual([
      'core-knows-only-what-is-below: core/errors.ts -> socket/types.ts',
      'every-folder-has-its-layer: index.ts -> strange/new.ts',
      'library-knows-no-command: socket/help.ts -> cli/main.ts',
      'memory-knows-only-what-is-below: memory/list.ts -> ring/ring.ts',
      'no-circles: ring/reader.ts -> ring/writer.ts',
      'no-unresolvable: index.ts -> where.js',
      'pipe-knows-only-what-is-below: pipe/pipe.ts -> socket/socket.ts',
      'socket-knows-only-what-is-below: socket/help.ts -> cli/main.ts',
      'socket-knows-only-what-is-below: socket/top.ts -> index.ts',
    ])
  },
)
