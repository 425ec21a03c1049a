/** A process that writes words of sections, for runs that may not have views of them themselves. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

import { Ring, type Consumer, type Producer } from '../../lib/index.js'
import { namePrefix } from './resources.js'
import { started } from './start.js'

// Longer than a process takes to start on a loaded machine.
const longestWaitMs = 30_000

class WordWriter {
  readonly #rings: readonly Ring[]
  readonly #orders: Producer
  readonly #answers: Consumer
  readonly #process: ChildProcess

  constructor() {
    const names = ['orders', 'answers'].map((what) => `/${namePrefix}${what}`)
    const [orders, answers] = names.map((name) => Ring.create(name)) as [Ring, Ring]
    this.#rings = [orders, answers]
    this.#orders = orders.producer()
    this.#answers = answers.consumer()
    const program = fileURLToPath(new URL('../fixtures/word_writer.mjs', import.meta.url))
    this.#process = started(
      spawn(process.execPath, [program, ...names], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, SLUICE_NO_EXTERNAL_BUFFERS: undefined },
      }),
    )
  }

  /** Returns when the words are there. */
  write(name: string, words: Record<number, number>): void {
    this.#orders.writeSync(Buffer.from(JSON.stringify({ name, words })), {
      timeout: longestWaitMs,
    })
    if (this.#answers.readSync(longestWaitMs) === undefined) throw new Error('the writer has gone')
  }

  async close(): Promise<void> {
    const exited = once(this.#process, 'exit')
    this.#orders.close()
    await exited
    for (const ring of this.#rings) ring.close()
  }
}

let writer: WordWriter | undefined

export function writeWordsElsewhere(name: string, words: Record<number, number>): void {
  writer ??= new WordWriter()
  writer.write(name, words)
}

afterAll(async () => {
  await writer?.close()
})
