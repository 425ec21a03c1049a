// Started by main.mjs.
import { parentPort, workerData } from 'node:worker_threads'
import { Ring } from 'sluice'

// A thread shares the process's descriptors: the number is enough.
const ring = Ring.fromFd(workerData.fd)
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
