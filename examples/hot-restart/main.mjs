// Replaces a server several times under load, and counts the requests that failed.
//
//   node examples/hot-restart/main.mjs
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const restarts = 3
const directory = mkdtempSync(join(tmpdir(), 'hot-restart-'))
const program = fileURLToPath(new URL('server.mjs', import.meta.url))

async function start() {
  const child = spawn(process.execPath, [program, join(directory, 'control')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [line] = await once(child.stdout, 'data')
  return { child, exited, ...JSON.parse(line) }
}

let current = await start()
const { port } = current
const agent = new Agent({ keepAlive: true, maxSockets: 8 })
const answers = new Map()
let failed = 0
let stopped = false

function request() {
  return new Promise((resolve) => {
    const outgoing = get({ port, host: '127.0.0.1', agent }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      answers.set(text, (answers.get(text) ?? 0) + 1)
      resolve()
    })
    outgoing.on('error', (error) => {
      console.error(error.message)
      failed++
      resolve()
    })
  })
}

async function client() {
  while (!stopped) await request()
}

const clients = Array.from({ length: 8 }, client)
for (let i = 0; i < restarts; i++) {
  const next = await start()
  await current.exited
  current = next
  while (!answers.has(String(current.pid))) await new Promise(setImmediate)
}
stopped = true
await Promise.all(clients)
agent.destroy()
current.child.kill()
rmSync(directory, { recursive: true })
console.log(`${answers.size} servers answered, ${failed} requests failed`)
