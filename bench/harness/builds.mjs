// Two builds of sluice in one run: each has an agent, a process that measures with its own library.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { addChild } from './cleanup.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * A folder that has this benchmark and the other build. To the peers, which find the library
 * beside them, and to the C++ programs, which find the headers there, it looks like any checkout:
 * all that talk to each other are of one build, whatever the format of its rings is.
 */
export function withBuildOf(folder) {
  const other = realpathSync(folder)
  for (const part of ['dist/index.js', 'native/include']) {
    if (existsSync(join(other, part))) continue
    throw new TypeError(`--against: there is no ${part} in ${folder}; npm run build:js makes it`)
  }
  const name = createHash('sha256').update(other).digest('hex').slice(0, 12)
  const made = join(root, '.cache', 'bench', 'against', name)
  mkdirSync(made, { recursive: true })
  rmSync(join(made, 'bench'), { recursive: true, force: true })
  // With their times, by which the C++ programs know whether they are older than their sources.
  cpSync(join(root, 'bench'), join(made, 'bench'), { recursive: true, preserveTimestamps: true })
  const parts = { dist: other, native: other, node_modules: root, 'package.json': root }
  for (const [part, from] of Object.entries(parts)) {
    rmSync(join(made, part), { force: true })
    symlinkSync(join(from, part), join(made, part))
  }
  return made
}

/** Measures with the build in this folder, until it is closed. */
export class Agent {
  #process
  #answers
  #closed
  #complaint = ''

  constructor(folder = root) {
    const program = join(folder, 'bench', 'harness', 'agent.mjs')
    this.#process = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'] })
    addChild(this.#process)
    this.#process.stderr.on('data', (data) => (this.#complaint += data))
    this.#closed = new Promise((resolve) => this.#process.once('close', resolve))
    this.#process.stdin.on('error', () => undefined) // its end is told by its stdout
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  /** `{ value }`, or `{ reason }` when it could not be measured. */
  async measure(request) {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#answers.next()
    if (!done) return JSON.parse(value)
    await this.#closed
    return { reason: `the agent ended: ${this.#complaint.trim()}` }
  }

  close() {
    this.#process.stdin.end()
  }
}
