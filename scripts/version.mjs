// The package's version. package.json is the one place that has it; what is compiled gets it from here.
//
//   node scripts/version.mjs     prints it

import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const packageJson = fileURLToPath(new URL('../package.json', import.meta.url))

/** @type {string} */
export const version = JSON.parse(readFileSync(packageJson, 'utf8')).version

const script = process.argv[1]
if (script !== undefined && import.meta.url === pathToFileURL(script).href) console.log(version)
