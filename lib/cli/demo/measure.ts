import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Ring } from '../../index.js'
import { CommandFailure } from '../failure.js'
import { Progress } from '../progress.js'
import { unlessAborted } from '../waiting.js'
import type { Order, Report } from './part.js'
import { ringCapacity, transports, type TransportName } from './transports.js'

export interface Measurement {
  transport: TransportName
  bytes: number
  /** Median of the rounds. */
  seconds: number
  /** SHA-256 of what the one end sent and what the other received. */
  sent: string
  received: string
  /** Whether they were the same in every round. */
  intact: boolean
}

export interface Task {
  file: string
  size: number
  rounds: number
}

/** Larger files go in several pieces, so that they need not fit into memory. */
const largestPiece = 2 ** 28

/** Sends the file from one new process to another. */
export async function measure(
  transport: TransportName,
  task: Task,
  signal: AbortSignal,
): Promise<Measurement> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
  const ring = Ring.anonymous({ capacity: ringCapacity })
  const start = (part: string) =>
    new Part(part, transport, join(folder, 'socket'), task.file, ring.fd)
  const parts: Part[] = []
  // No rate: most of the time goes into reading and hashing, which is not what is measured.
  const progress = new Progress(transport.padEnd(8), task.size * task.rounds, true, false)
  try {
    // The sender first: a socket's receiver needs somebody to connect to.
    const sender = start('send')
    parts.push(sender)
    await sender.answer('ready')
    const receiver = start('receive')
    parts.push(receiver)
    await receiver.answer('ready')
    receiver.onProgress = (bytes) => {
      progress.bytes = bytes
    }
    return await unlessAborted(rounds(transport, task, sender, receiver), signal)
  } finally {
    progress.stop()
    await Promise.all(parts.map((part) => part.end()))
    ring.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function rounds(
  transport: TransportName,
  { size, rounds: count }: Task,
  sender: Part,
  receiver: Part,
): Promise<Measurement> {
  const times: number[] = []
  let intact = true
  let sent = ''
  let received = ''
  for (let round = 0; round < count; round++) {
    let seconds = 0
    for (let offset = 0; offset < size; offset += largestPiece) {
      seconds += await transfer(sender, receiver, offset, Math.min(largestPiece, size - offset))
    }
    times.push(seconds)
    const ends = await Promise.all([
      sender.ask({ what: 'digest' }, 'digest'),
      receiver.ask({ what: 'digest' }, 'digest'),
    ])
    sent = ends[0].sha256
    received = ends[1].sha256
    if (sent !== received) {
      intact = false
      break
    }
  }
  return { transport, bytes: size, seconds: median(times), sent, received, intact }
}

/** Seconds from the first write until the last byte lies in the receiver's memory. */
async function transfer(
  sender: Part,
  receiver: Part,
  offset: number,
  length: number,
): Promise<number> {
  const prepare: Order = { what: 'prepare', offset, length }
  await Promise.all([sender.ask(prepare, 'ready'), receiver.ask(prepare, 'ready')])
  const arrival = receiver.ask({ what: 'transfer' }, 'transferred')
  const departure = sender.ask({ what: 'transfer' }, 'transferred')
  const [end, start] = await Promise.all([arrival, departure])
  return Number(BigInt(end.at) - BigInt(start.at)) / 1e9
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

type Answer<What extends Report['what']> = Extract<Report, { what: What }>

/** A child process that plays one of the two parts. */
class Part {
  onProgress: (bytes: number) => void = () => undefined
  readonly #name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #answered: (report: Report) => void = () => undefined
  #failed: (reason: CommandFailure) => void = () => undefined
  #next: Promise<Report>

  constructor(part: string, transport: TransportName, address: string, file: string, ring: number) {
    this.#name = `the process that shall ${part} through the ${transports[transport].title}`
    this.#next = this.#newAnswer()
    this.#child = fork(process.argv[1] ?? '', ['part', part, transport, address, file], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', ring],
    })
    this.#exited = once(this.#child, 'exit')
    this.#child.on('message', (report: Report) => {
      if (report.what === 'progress') this.onProgress(report.bytes)
      else if (report.what === 'failed') this.#failed(this.#failure(report.message))
      else this.#answered(report)
    })
    this.#child.once('exit', (code, signal) => {
      this.#failed(this.#failure(`ended with ${String(signal ?? code)}`))
    })
  }

  ask<What extends Report['what']>(order: Order, what: What): Promise<Answer<What>> {
    this.#child.send(order)
    return this.answer(what)
  }

  async answer<What extends Report['what']>(what: What): Promise<Answer<What>> {
    const report = await this.#next
    this.#next = this.#newAnswer()
    if (report.what !== what) throw this.#failure(`answered ${report.what} instead of ${what}`)
    return report as Answer<What>
  }

  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#exited
  }

  #newAnswer(): Promise<Report> {
    const answer = new Promise<Report>((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
    })
    answer.catch(() => undefined) // nobody may be waiting for it
    return answer
  }

  #failure(message: string): CommandFailure {
    return new CommandFailure(`${this.#name}: ${message}`)
  }
}
