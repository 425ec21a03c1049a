// The layers of lib, kept by `npm run lint`. Each file knows its own folder and the layers below it;
// types count as well as values, for a type ties two files together as much as a call does.
import { fileURLToPath } from 'node:url'

/** From the bottom up. Folders on one line do not know each other, except as `neighbours` says. */
const layers = [
  ['core'],
  ['memory', 'ring', 'transport'],
  ['socket', 'pipe'],
  ['channel'],
  ['connection', 'observe'],
  ['mux', 'rpc', 'sync'],
]

/** A ring lies in shared memory. */
const neighbours = { ring: ['memory'] }

const folders = layers.flat()

/** A rule for each folder: which of the others it may not import. */
const upwards = layers.flatMap((layer, height) =>
  layer.map((folder) => {
    const known = [folder, ...layers.slice(0, height).flat(), ...(neighbours[folder] ?? [])]
    return {
      name: `${folder}-knows-only-what-is-below`,
      comment: `lib/${folder} may import ${known.map((name) => `lib/${name}`).join(', ')} alone`,
      severity: 'error',
      from: { path: `^lib/${folder}/` },
      to: { path: `^lib/`, pathNot: `^lib/(${known.join('|')})/` },
    }
  }),
)

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      comment:
        'two files that need each other are one idea in two places, or one of them knows too much',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...upwards,
    {
      name: 'library-knows-no-command',
      comment: 'the command is the top',
      severity: 'error',
      from: { path: `^lib/`, pathNot: `^lib/cli/` },
      to: { path: `^lib/cli/` },
    },
    {
      name: 'every-folder-has-its-layer',
      comment: 'name a new folder in .dependency-cruiser.mjs',
      severity: 'error',
      from: {},
      to: { path: `^lib/[^/]+/`, pathNot: `^lib/(${[...folders, 'cli'].join('|')})/` },
    },
    {
      name: 'no-unresolvable',
      comment: 'an import that leads nowhere is not checked by the other rules',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true, // also `import type`, which the compiler removes
    tsConfig: { fileName: fileURLToPath(new URL('tsconfig.json', import.meta.url)) },
    doNotFollow: { path: 'node_modules' },
  },
}
