// Says in one line how many tests of vitest's log ran, passed and were skipped.
import { readFileSync } from 'node:fs'

const log = readFileSync(process.argv[2], 'utf8')
const line = /^\s*Tests\s+(.*)\((\d+)\)\s*$/m.exec(log)
if (line === null) throw new Error('the log does not say how many tests ran')
const count = (what) => Number(new RegExp(`(\\d+) ${what}`).exec(line[1])?.[1] ?? 0)
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(count)
console.log(`Windows: ${passed + failed} run, of ${line[2]}`)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
