// Runs in every runtime that the one binary is for, against an installed package: no test framework.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import {
  Channel,
  ChannelServer,
  FileDescriptor,
  Ring,
  SharedMemory,
  SluiceError,
  UnixConnection,
  UnixDatagram,
  UnixServer,
  capabilities,
  connectChannel,
  connectUnix,
  framed,
  peerCredentials,
  socketPair,
} from 'sluice'

const file = fileURLToPath(import.meta.url)
// Not by import, which ends Node 22 with --jitless: that needs WebAssembly for all that the module has.
const http = createRequire(file)('node:http')
const exitCode = 7

// Deno calls no cleanup hook of a worker that is terminated: what it held, it holds until the
// process ends. To be noticed here when that changes.
const runsNoCleanupHooks = process.versions.deno !== undefined

const checks = {
  'capabilities() names the runtime'() {
    expect(/^(node|bun|deno) \d/.test(capabilities().runtime), capabilities().runtime)
  },

  'import and require give the same classes'() {
    expect(createRequire(import.meta.url)('sluice').Ring === Ring)
  },

  'shared memory is shared, and dead after close()'() {
    const memory = SharedMemory.anonymous({ size: 4096 })
    const other = SharedMemory.fromFd(memory.fd)
    const bytes = new Uint8Array(memory.buffer)
    bytes[7] = 42
    expect(new Uint8Array(other.buffer)[7] === 42)
    other.close()
    memory.close()
    expect(bytes.length === 0, `length ${bytes.length}`)
  },

  'a message is copied in and out'() {
    withRing((producer, consumer) => {
      expect(producer.tryWrite(Buffer.from('hello'), 3))
      expect(consumer.tryRead().toString() === 'hello')
      expect(consumer.tryRead() === undefined)
    })
  },

  'a message is written and read in place'() {
    withRing((producer, consumer) => {
      expect(producer.tryReserve(8))
      producer.view.setFloat64(producer.offset, Math.PI, true)
      producer.commit()
      expect(consumer.peek() === 8)
      expect(consumer.view.getFloat64(consumer.offset, true) === Math.PI)
      consumer.release()
    })
  },

  'nonsense is a SluiceError with a code'() {
    expect(codeOf(() => Ring.anonymous({ capacity: 3 })) === 'ERR_SLUICE_INVALID_ARGUMENT')
  },

  async 'a sleeping reader is woken by the waiting thread'() {
    await withRing(async (producer, consumer) => {
      for (let i = 0; i < 100; i++) {
        const pending = consumer.read()
        setImmediate(() => producer.tryWrite(Buffer.from(`message ${i}`)))
        expect((await pending).toString() === `message ${i}`)
      }
    })
  },

  async 'a read is cancelled'() {
    await withRing(async (_, consumer) => {
      const signal = AbortSignal.timeout(10)
      const reason = await consumer.read({ signal }).catch((error) => error)
      expect(reason.name === 'TimeoutError', reason)
    })
  },

  async 'consume() handles all until the producer closes'() {
    await withRing(async (producer, consumer) => {
      let sum = 0
      const consumed = consumer.consume((message) => {
        sum += message.length
      })
      for (let i = 0; i < 1000; i++) await producer.write(Buffer.alloc(64))
      producer.close()
      expect((await consumed) === 1000 && sum === 64000, String(sum))
    })
  },

  async 'sockets: messages both ways, and the end'() {
    const [one, other] = socketPair()
    const waiting = other.receive()
    await one.send(Buffer.from('there'))
    expect((await waiting).data.toString() === 'there')
    await other.send(Buffer.from('and back'))
    expect((await one.receive()).data.toString() === 'and back')
    one.end()
    expect((await other.receive()) === undefined)
    other.close()
  },

  async 'sockets: a stream of a million bytes arrives whole'() {
    await withServer(async (address, server) => {
      const serving = server.accept()
      const client = await connectUnix(address)
      const accepted = await serving
      client.end(Buffer.alloc(1_000_000, 7))
      let count = 0
      for await (const chunk of accepted) count += chunk.length
      expect(count === 1_000_000, String(count))
      accepted.destroy()
    })
  },

  async 'sockets: seqpacket keeps boundaries, an accept is cancelled'() {
    await withServer(
      async (address, server) => {
        const early = await server
          .accept({ signal: AbortSignal.timeout(10) })
          .catch((error) => error)
        expect(early.name === 'TimeoutError', early)
        const serving = server.accept()
        const client = await connectUnix(address, { type: 'seqpacket' })
        const accepted = await serving
        await client.send(Buffer.from('one'))
        await client.send(Buffer.from('two'))
        expect((await accepted.receive()).data.toString() === 'one')
        expect((await accepted.receive()).data.toString() === 'two')
        client.close()
        accepted.close()
      },
      { type: 'seqpacket' },
    )
  },

  async 'sockets: datagrams'() {
    await withFolder(async (folder) => {
      const receiver = await UnixDatagram.bind(path.join(folder, 'd'))
      const sender = await UnixDatagram.bind()
      const waiting = receiver.receive()
      await sender.send(Buffer.from('ping'), path.join(folder, 'd'))
      expect((await waiting).data.toString() === 'ping')
      sender.close()
      receiver.close()
    })
  },

  async 'descriptors go with a message, and what is sent in them arrives'() {
    const [one, other] = socketPair()
    const [inner, peer] = socketPair()
    const file = openSync('/dev/null', 'r')
    const waiting = other.receive()
    await one.send(Buffer.from('take'), { fds: [inner, file] })
    closeSync(file)
    inner.close()
    const { fds } = await waiting
    expect(fds.length === 2 && fds.every((fd) => fd instanceof FileDescriptor))
    const received = UnixConnection.fromFd(fds[0])
    for (const fd of fds) fd.close()
    await received.send(Buffer.from('through it'))
    expect((await peer.receive()).data.toString() === 'through it')
    for (const connection of [one, other, peer, received]) connection.close()
  },

  async 'the peer of a connection of node:net is known'() {
    await withFolder(async (folder) => {
      const address = path.join(folder, 'net')
      const server = net.createServer((socket) => {
        socket.end(String(peerCredentials(socket).pid))
      })
      await new Promise((resolve) => server.listen(address, resolve))
      const client = net.connect(address)
      const answer = await new Promise((resolve) => client.once('data', resolve))
      expect(String(answer) === String(process.pid), String(answer))
      client.destroy()
      server.close()
    })
  },

  async 'the peer of an HTTP request is known, over connections of sluice'() {
    await withServer(async (address, server) => {
      const web = http.createServer((request, response) => {
        response.end(String(peerCredentials(request).pid))
      })
      const serving = server.accept()
      const answering = new Promise((resolve, reject) => {
        http
          .get({ socketPath: address, path: '/', agent: false }, (response) => {
            response.once('data', resolve)
          })
          .once('error', reject)
      })
      web.emit('connection', await serving)
      expect(String(await answering) === String(process.pid))
    })
  },

  async 'channels: a stream of a million bytes arrives whole, and the end'() {
    await withChannel(async (client, accepted) => {
      client.end(Buffer.alloc(1_000_000, 7))
      let count = 0
      for await (const chunk of accepted) count += chunk.length
      expect(count === 1_000_000, String(count))
    })
  },

  async 'channels: messages both ways'() {
    await withChannel(async (client, accepted) => {
      const [one, other] = [framed(client, { codec: 'json' }), framed(accepted, { codec: 'json' })]
      for (let i = 0; i < 1000; i++) {
        const waiting = other.receive()
        await one.send({ i })
        expect((await waiting).i === i)
        await other.send(i)
        expect((await one.receive()) === i)
      }
    })
  },

  async [`a worker that is terminated while it reads ${runsNoCleanupHooks ? 'keeps its role' : 'gives its role back'}`]() {
    const ring = Ring.anonymous()
    const worker = new Worker(file, { workerData: { fd: ring.fd, action: 'read' } })
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    const producer = ring.producer()
    producer.tryWrite(Buffer.from('still here'))
    if (runsNoCleanupHooks) {
      expect(codeOf(() => ring.consumer()) === 'ERR_SLUICE_ROLE_TAKEN')
    } else {
      expect(ring.consumer().tryRead().toString() === 'still here')
    }
    ring.close()
  },

  'process.exit() with a pending consume()'() {
    expectExit('exit')
  },

  'a process ends by itself when nothing waits'() {
    expectExit('end')
  },
}

/** The work of the other threads and processes of this file. */
const actions = {
  read(ring) {
    ring.consumer({ spin: 0 }).read().catch(console.error)
    // Sent when the read is asleep: parking is synchronous when there is no polling.
    parentPort.postMessage('reading')
  },

  exit(ring) {
    const consumer = ring.consumer({ spin: 0 })
    consumer.consume(() => undefined).catch(console.error)
    setTimeout(() => process.exit(exitCode), 20)
  },

  async end(ring) {
    const pending = ring.consumer({ spin: 0 }).read()
    const producer = ring.producer()
    setImmediate(() => producer.tryWrite(Buffer.from('last')))
    if ((await pending).toString() === 'last') process.exitCode = exitCode
  },
}

function withRing(work) {
  const ring = Ring.anonymous()
  const close = () => ring.close()
  const result = work(ring.producer(), ring.consumer({ spin: 0 }))
  if (result === undefined) return close()
  return result.finally(close)
}

async function withFolder(work) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-smoke-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function withServer(work, options) {
  await withFolder(async (folder) => {
    const address = path.join(folder, 's')
    const server = await UnixServer.listen(address, options)
    try {
      await work(address, server)
    } finally {
      server.close()
    }
  })
}

async function withChannel(work) {
  await withFolder(async (folder) => {
    const address = path.join(folder, 'c')
    const server = await ChannelServer.listen(address)
    const ends = await Promise.all([connectChannel(address), server.accept()])
    try {
      expect(ends.every((end) => end instanceof Channel))
      await work(...ends)
    } finally {
      for (const end of ends) end.destroy()
      server.close()
    }
  })
}

function expectExit(action) {
  const flags = process.versions.deno === undefined ? [] : ['run', '--allow-all']
  const { status, signal, stderr } = spawnSync(
    process.env.SLUICE_TEST_NODE ?? process.execPath,
    [...flags, file, action],
    {
      encoding: 'utf8',
      timeout: 60_000, // also where it is emulated
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  expect(status === exitCode, `exit code ${status}, signal ${signal}: ${stderr}`)
}

function codeOf(work) {
  try {
    work()
  } catch (error) {
    return error instanceof SluiceError ? error.code : error
  }
  return undefined
}

function expect(condition, what = '') {
  if (!condition) throw new Error(`not so ${what instanceof Error ? what.stack : what}`)
}

async function main() {
  let passed = 0
  let failed = 0
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check()
      console.log(`ok      ${name}`)
      passed++
    } catch (error) {
      console.log(`FAILED  ${name}: ${error?.stack ?? error}`)
      failed++
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}

if (!isMainThread) await actions[workerData.action](Ring.fromFd(workerData.fd))
else if (process.argv[2] !== undefined) await actions[process.argv[2]](Ring.anonymous())
else await main()
