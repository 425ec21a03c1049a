import { defineConfig } from 'tsup'

export default defineConfig([
  {
    // CommonJS holds the code; scripts/esm.mjs makes the ESM entry that re-exports it, so that a
    // process that uses both has one copy of every class.
    entry: { index: 'lib/index.ts' },
    format: 'cjs',
    target: 'node20',
    dts: true,
    shims: true,
    clean: true,
    sourcemap: true,
    outExtension: () => ({ js: '.cjs' }),
  },
])
