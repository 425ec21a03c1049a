// All tests: those in TypeScript by vitest, then those in C++. Both run, also when the first fail.
//
//   node scripts/test.mjs                  in minutes: stress tests in a short form
//   node scripts/test.mjs --all            stress tests in the form that finds races
//   node scripts/test.mjs --long           for hours, with sanitizers and the fuzzer
//   node scripts/test.mjs test/ring ...    what vitest makes of these arguments, and no C++
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const forms = { '--all': 'full', '--long': 'long' }

const [first, ...others] = process.argv.slice(2)
const form = forms[first] ?? process.env.SLUICE_STRESS ?? 'short'
const selection = first === undefined || first in forms ? others : [first, ...others]

/** Whether it ended well. */
function run(program, args) {
  const env = { ...process.env, SLUICE_STRESS: form }
  const { error, status } = spawnSync(program, args, { cwd: root, stdio: 'inherit', env })
  if (error !== undefined) console.error(`${program}: ${error.message}`)
  return status === 0
}

const results = [run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...selection])]
if (selection.length === 0) {
  results.push(
    form === 'long'
      ? run('sh', ['scripts/check-native.sh', '--scale', '10000', '--fuzz-seconds', '600'])
      : run(process.execPath, ['scripts/test-native.mjs']),
  )
}
if (results.includes(false)) process.exitCode = 1
