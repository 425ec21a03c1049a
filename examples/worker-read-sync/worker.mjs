// Started by main.mjs.
import { parentPort, workerData } from 'node:worker_threads'
import { Ring } from 'sluice'

const ring = Ring.open(workerData.name)
const consumer = ring.consumer()

let words = 0
for (;;) {
  const message = consumer.readSync() // undefined at the end of the stream
  if (message === undefined) break
  console.log(`worker: ${message}`)
  words += message.toString().split(' ').length
}
parentPort.postMessage(words)
ring.close()
