// A thread and its worker; each message is a Uint8Array that postMessage copies.
//   modes: stream      the worker posts, and waits when 4096 messages are not yet acknowledged
//          round-trip  messages are answered
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

import { Meter, waitForStart } from './protocol.mjs'

const acknowledgedTogether = 1024
const mostUnderWay = 4 * acknowledgedTogether

if (isMainThread) {
  const settings = JSON.parse(process.argv[2])
  const { mode, length, ...window } = settings
  const worker = new Worker(new URL(import.meta.url), { workerData: settings })
  worker.once('online', () => {
    waitForStart()
    const meter = new Meter(window)
    let count = 0
    worker.postMessage(new Uint8Array(length))
    worker.on('message', (message) => {
      if (++count % 16 === 0) meter.at(count)
      if (mode === 'round-trip') worker.postMessage(message)
      else if (count % together(length) === 0) worker.postMessage('acknowledged')
    })
  })
} else if (workerData.mode === 'round-trip') {
  parentPort.on('message', (message) => parentPort.postMessage(message))
} else {
  const message = new Uint8Array(workerData.length)
  let room = (mostUnderWay / acknowledgedTogether) * together(workerData.length)
  parentPort.on('message', (word) => {
    if (word === 'acknowledged') room += together(workerData.length)
    for (; room > 0; room--) parentPort.postMessage(message)
  })
}

function together(length) {
  return length > 4096 ? 16 : acknowledgedTogether
}
