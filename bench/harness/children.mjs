// Runs the processes of one measurement: each is started and says "ready", then all are let go at
// once, and the one that measures answers with a line of JSON. Then all are ended.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

import { addChild } from './cleanup.mjs'
import { pinned } from './pinning.mjs'

const deadlineMs = 20_000

/**
 * @param peers `{ command, core, measures, listens }`: who listens is ready before the next is
 * started, the others start together.
 */
export async function measure(peers) {
  const children = []
  const failure = Promise.withResolvers?.() ?? withResolvers()
  failure.promise.catch(() => undefined)
  const deadline = setTimeout(() => {
    failure.reject(new Error(`no result within ${deadlineMs} ms`))
  }, deadlineMs)
  try {
    for (const peer of peers) {
      const child = new Child(peer, failure.reject)
      children.push(child)
      child.ready = child.line()
      if (peer.listens) await Promise.race([child.ready, failure.promise])
    }
    await Promise.race([Promise.all(children.map(({ ready }) => ready)), failure.promise])
    for (const child of children) child.start()
    const measuring = children[peers.findIndex((peer) => peer.measures)]
    return JSON.parse(await Promise.race([measuring.line(), failure.promise]))
  } finally {
    clearTimeout(deadline)
    await Promise.all(children.map((child) => child.end()))
  }
}

class Child {
  ready
  #process
  #lines
  #closed
  #ending = false

  constructor({ command, core }, fail) {
    const [program, ...rest] = pinned(command, core)
    this.#process = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
    addChild(this.#process)
    this.#process.stdin.on('error', () => undefined) // it may have gone already
    let complaint = ''
    this.#process.stderr.on('data', (data) => (complaint = (complaint + data).slice(-2000)))
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#closed = new Promise((resolve) => this.#process.once('close', resolve))
    this.#process.once('error', (error) => fail(error))
    this.#process.once('close', (code, signal) => {
      if (this.#ending || code === 0) return
      fail(new Error(`${command.join(' ')} ended (${signal ?? code}): ${complaint.trim()}`))
    })
  }

  async line() {
    const { value, done } = await this.#lines.next()
    // Why it ended without a word is what the 'close' event says.
    return done ? new Promise(() => undefined) : value
  }

  start() {
    this.#process.stdin.write('\n')
  }

  end() {
    this.#ending = true
    this.#process.kill('SIGKILL')
    return this.#closed
  }
}

function withResolvers() {
  const result = {}
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }))
  return result
}
