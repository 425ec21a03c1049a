/** Processes that play the other side: fixtures that talk in lines of JSON over stdio. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

import { started } from './start.js'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ChildOptions {
  execArgv?: string[]
  env?: NodeJS.ProcessEnv
  uid?: number
  gid?: number
  /** Descriptors that become the child's 3, 4, ... */
  descriptors?: number[]
  /** Another program than this Node. */
  program?: string
}

/** Killed and reaped at the end of the test that started it, if it has not ended by then. */
export class Child {
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  readonly #lines: unknown[] = []
  #errors = ''
  #ended = false
  #changed: () => void = () => undefined

  /** `fixture` is a file of test/fixtures, or a path. */
  constructor(
    fixture: string,
    args: readonly (string | number)[] = [],
    options: ChildOptions = {},
  ) {
    const path = isAbsolute(fixture)
      ? fixture
      : fileURLToPath(new URL(`../fixtures/${fixture}`, import.meta.url))
    const { execArgv = [], env = {}, descriptors = [], program = process.execPath } = options
    const spawnOptions: SpawnOptions = {
      stdio: ['pipe', 'pipe', 'pipe', ...descriptors],
      env: { ...process.env, ...env },
      ...(options.uid !== undefined && { uid: options.uid }),
      ...(options.gid !== undefined && { gid: options.gid }),
    }
    this.#process = started(spawn(program, [...execArgv, path, ...args.map(String)], spawnOptions))
    this.#process.stdin?.on('error', () => undefined) // it may be gone before it has read all
    this.#process.stderr?.on('data', (data: Buffer) => (this.#errors += data.toString()))
    if (this.#process.stdout) {
      createInterface({ input: this.#process.stdout }).on('line', (line) => {
        this.#lines.push(parsed(line))
        this.#changed()
      })
    }
    this.exited = once(this.#process, 'close').then((values) => {
      const [code, signal] = values as [Exit['code'], Exit['signal']]
      this.#ended = true
      this.#changed()
      return { code, signal }
    })
    this.exited.catch(() => undefined)
    onTestFinished(async () => {
      this.kill('SIGKILL')
      await this.exited.catch(() => undefined)
    })
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the child did not start')
    return this.#process.pid
  }

  /** The text that it wrote to stderr so far. */
  get errors(): string {
    return this.#errors
  }

  say(message: unknown): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  /** Closes its stdin. */
  hangUp(): void {
    this.#process.stdin?.end()
  }

  /** Its next line. */
  async next<T = unknown>(): Promise<T> {
    for (;;) {
      if (this.#lines.length > 0) return this.#lines.shift() as T
      if (this.#ended) throw new Error(`the child ended without a word\n${this.#errors}`)
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
  }

  async ask<T = unknown>(message: unknown): Promise<T> {
    this.say(message)
    return this.next<T>()
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill(signal)
    }
  }

  /** Ends as a process should that has done its work. */
  async finish(): Promise<void> {
    const exit = await this.exited
    if (exit.code !== 0) {
      throw new Error(`the child ended with ${JSON.stringify(exit)}\n${this.#errors}`)
    }
  }
}

/** Runs the fixture in a process that may have so many descriptors. */
export function limitedTo(descriptors: number): ChildOptions {
  const limit = `import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (${String(descriptors)}, ${String(descriptors)}))
os.execv(sys.argv[1], sys.argv[1:])`
  return { program: 'python3', execArgv: ['-c', limit, process.execPath] }
}

/** Other programs than our fixtures speak plain text. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return line
  }
}
