// Asks the server many times over one connection, sends it a large body, which it sends back, and talks
// with it beyond HTTP.
//
//   node examples/http-over-shm/client.mjs shm:web
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { connect } from 'sluice'
import { SluiceAgent } from './agent.mjs'

const address = process.argv[2] ?? 'shm:web'
const bodyBytes = 20_000_000

const agent = new SluiceAgent(address, { keepAlive: true, maxSockets: 1 })
await keepAlive()
await largeBody()
agent.destroy()
await upgrade()

async function keepAlive() {
  const answers = new Set()
  for (let i = 0; i < 100; i++) answers.add(await ask('/'))
  console.log(`100 requests, ${agent.connections} connection: ${[...answers].join('').trim()}`)
}

async function ask(path) {
  const asked = request({ agent, path }).end()
  const [response] = await once(asked, 'response')
  return text(response)
}

async function largeBody() {
  const asked = request({ agent, path: '/echo', method: 'POST' })
  const responded = once(asked, 'response')
  const sent = createHash('sha256')
  const received = createHash('sha256')
  let bytes = 0
  async function receive() {
    const [response] = await responded
    for await (const chunk of response) {
      received.update(chunk)
      bytes += chunk.length
    }
  }
  await Promise.all([pipeline(Readable.from(body(sent)), asked), receive()])
  const same = sent.digest('hex') === received.digest('hex')
  console.log(`${bytes} bytes came back: ${same ? 'the same' : 'others'}`)
}

/** Chunks of all lengths, of which no two are the same. */
function* body(hash) {
  for (let left = bodyBytes, i = 1; left > 0; i++) {
    const chunk = Buffer.alloc(Math.min(left, (i * 7919) % 200_000))
    for (let at = 0; at + 4 <= chunk.length; at += 4096) chunk.writeUInt32LE(left - at, at)
    hash.update(chunk)
    left -= chunk.length
    yield chunk
  }
}

async function upgrade() {
  const asked = request({
    // Without an agent: a connection for this request alone.
    createConnection: (options, callback) => {
      connect(address).then((connection) => callback(null, connection), callback)
    },
    headers: { Connection: 'Upgrade', Upgrade: 'echo' },
  }).end()
  const [, connection] = await once(asked, 'upgrade')
  // Not ended before the answer is there: a pipe of Windows has no half-close.
  const sent = 'beyond HTTP'
  connection.write(sent)
  let echo = ''
  for await (const chunk of connection) {
    echo += chunk
    if (echo.length === sent.length) break
  }
  console.log(`upgraded: ${echo}`)
}
