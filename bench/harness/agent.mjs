// Measures for one build of the library: this benchmark's scenarios, with the build that lies
// beside them. One request a line on stdin, one answer a line on stdout; see builds.mjs.
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'

import { cleanUp } from './cleanup.mjs'
import { disablePinning } from './pinning.mjs'

const scenarios = new Map()
const folder = new URL('../scenarios/', import.meta.url)
for (const file of readdirSync(folder)) {
  // A file has one scenario, or several of one kind.
  for (const exported of Object.values(await import(new URL(file, folder)))) {
    if (exported?.participants !== undefined) scenarios.set(exported.id, exported)
  }
}

async function answer({ scenario: id, participant, pin, window }) {
  if (!pin) disablePinning()
  const scenario = scenarios.get(id)
  try {
    const raw = await scenario.participants.find((one) => one.id === participant).run(window)
    return { value: scenario.value(raw) }
  } catch (error) {
    return { reason: error.message }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))))
}
cleanUp()
