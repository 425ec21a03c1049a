import { defineConfig } from 'tsup'

import packageJson from './package.json' with { type: 'json' }
import { writeLicenses } from './scripts/licenses.js'

export default defineConfig([
  {
    // CommonJS holds the code; scripts/esm.mjs makes the ESM entry that re-exports it, so that a
    // process that uses both has one copy of every class.
    entry: { index: 'lib/index.ts', cli: 'lib/cli/main.ts', demo: 'lib/cli/demo.ts' },
    format: 'cjs',
    target: 'node20',
    dts: { entry: { index: 'lib/index.ts' } },
    // CommonJS has no such address; what there is instead is asked for by name.
    define: { 'import.meta.url': 'undefined', SLUICE_VERSION: JSON.stringify(packageJson.version) },
    clean: true,
    sourcemap: true,
    outExtension: () => ({ js: '.cjs' }),
    esbuildPlugins: [
      {
        // The commands use the library beside them rather than a second copy of it.
        name: 'library',
        setup(build) {
          build.onResolve({ filter: /^\.\.\/(\.\.\/)?index\.js$/ }, () => ({
            path: './index.cjs',
            external: true,
          }))
        },
      },
      {
        // What else the commands use is in them, with its licences.
        name: 'licenses',
        setup(build) {
          build.initialOptions.metafile = true
          build.onEnd(({ metafile }) => {
            if (metafile !== undefined) writeLicenses(metafile, 'dist/THIRD-PARTY-LICENSES.txt')
          })
        },
      },
    ],
  },
])
