// Prints a package.json with what the tests need on Windows, in this package's own versions.
import { readFileSync } from 'node:fs'

const { name, version, type, main, module, types, exports, dependencies, devDependencies } =
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const wanted = [
  'vitest',
  'fast-check',
  'commander',
  'cli-table3',
  'cli-progress',
  'typescript',
  '@types/node',
]
const manifest = {
  name,
  version,
  type,
  main,
  module,
  types,
  exports, // test fixtures import the built package by its name
  private: true,
  dependencies: {
    ...dependencies,
    ...Object.fromEntries(
      wanted
        .map((dependency) => [dependency, dependencies[dependency] ?? devDependencies[dependency]])
        .filter(([, range]) => range !== undefined),
    ),
  },
  // Vite 7 has Rollup in it, which there is as WebAssembly: the binaries for Windows of that and of
  // Rolldown do not load in Wine.
  overrides: { vite: '^7.0.0', rollup: 'npm:@rollup/wasm-node@4.68.4' },
}
console.log(JSON.stringify(manifest, null, 2))
