/** The version that tsup puts into what it compiles; the tests take `lib` as it stands. */
import { readFileSync } from 'node:fs'

const file = new URL('../../package.json', import.meta.url)
const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }

Object.assign(globalThis, { SLUICE_VERSION: version })
