// Runs in every runtime that the one binary is for, against an installed package: no test framework.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { Ring, SharedMemory, SluiceError, capabilities } from 'sluice'

const file = fileURLToPath(import.meta.url)
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

function expectExit(action) {
  const flags = process.versions.deno === undefined ? [] : ['run', '--allow-all']
  const { status, signal, stderr } = spawnSync(process.execPath, [...flags, file, action], {
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
