// A worker thread that has nothing else to do than to wait for the next message: it blocks, which
// answers faster than an event loop.
//
//   node examples/worker-read-sync/main.mjs
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Ring } from 'sluice'

const ring = Ring.create(`/worker-read-sync-${process.pid}`, { capacity: 1 << 16 })
const worker = new Worker(new URL('worker.mjs', import.meta.url), {
  workerData: { name: ring.name },
})
const finished = once(worker, 'message')

const producer = ring.producer()
for (const line of ['to be', 'or not to be', 'that is the question']) {
  await producer.write(Buffer.from(line))
}
producer.close()

const [words] = await finished
console.log(`main: the worker counted ${words} words`)
ring.unlink()
ring.close()
