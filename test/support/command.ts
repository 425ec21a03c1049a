/** Runs built programs as a user does: real processes, whose bytes and lines a test looks at. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

import { started } from './start.js'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface CommandResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: Buffer
  stderr: string
}

export interface CommandOptions {
  /** The bytes of stdin; a command without them gets an open one that the test writes and ends. */
  input?: string | Buffer
  env?: NodeJS.ProcessEnv
  cwd?: string
  uid?: number
}

/** Killed and reaped at the end of the test that started it, if it has not ended by then. */
export class Command {
  readonly finished: Promise<CommandResult>
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #output: Buffer[] = []
  #stderr = ''
  #ended = false
  #changed: () => void = () => undefined

  constructor(program: string, args: readonly string[], options: CommandOptions = {}) {
    this.#process = started(
      spawn(program, args, {
        stdio: ['pipe', 'pipe', 'pipe'],
        cwd: options.cwd ?? root,
        env: { ...process.env, ...options.env },
        ...(options.uid !== undefined && { uid: options.uid }),
      }),
    )
    const { stdin, stdout, stderr } = this.#process
    stdin.on('error', () => undefined) // it may be gone before it has read all
    stdout.on('data', (data: Buffer) => this.#output.push(data))
    stderr.on('data', (data: Buffer) => {
      this.#stderr += data.toString()
      this.#changed()
    })
    if (options.input !== undefined) stdin.end(options.input)
    this.finished = once(this.#process, 'close').then(([code, signal]) => {
      this.#ended = true
      this.#changed()
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: Buffer.concat(this.#output),
        stderr: this.#stderr,
      }
    })
    onTestFinished(async () => {
      if (this.#process.exitCode === null && this.#process.signalCode === null) this.kill('SIGKILL')
      await this.finished
    })
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the command did not start')
    return this.#process.pid
  }

  get stdin(): Writable {
    return this.#process.stdin
  }

  get stdout(): Readable {
    return this.#process.stdout
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Resolves with what the first group of the pattern has matched on its stderr. */
  async tells(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#stderr)?.[1]
      if (found !== undefined) return found
      if (this.#ended) throw new Error(`it ended without ${String(pattern)}\n${this.#stderr}`)
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
  }

  /** Resolves when this has appeared on its stderr. */
  async says(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) {
      if (this.#ended) throw new Error(`it ended without saying "${text}"\n${this.#stderr}`)
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
  }
}

/** The `sluice` command. */
export function sluice(args: readonly string[], options: CommandOptions = {}): Command {
  return new Command(process.execPath, [`${root}dist/cli.cjs`, ...args], options)
}

/** A Node program of this repository. */
export function node(args: readonly string[], options: CommandOptions = {}): Command {
  return new Command(process.execPath, args, options)
}
