// Runs the whole suite of tests in every version of Node that is supported beside this one: some minutes each.
//
//   node scripts/test-nodes.mjs [name ...]    for example: node-24
import { spawnSync } from 'node:child_process'

import { chosenNames } from './chosen_names.mjs'
import { nodeNames, nodeProgram } from './nodes.mjs'
import { build, root } from './packed.mjs'

const chosen = chosenNames(nodeNames)

build()
let passed = 0
let failed = 0
for (const name of chosen) {
  console.log(`=== ${name}`)
  const { status } = spawnSync(nodeProgram(name), ['node_modules/vitest/vitest.mjs', 'run'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, SLUICE_STRESS: process.env.SLUICE_STRESS ?? 'short' },
  })
  if (status === 0) passed++
  else failed++
}
console.log(`${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
