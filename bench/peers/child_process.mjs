// A process and its child, which it forks itself, over the IPC channel of node:child_process with
// the "advanced" serialization.
//   modes: stream, round-trip
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { Meter, waitForStart } from './protocol.mjs'

const settings = JSON.parse(process.argv[2])
const { mode, role, length, childCommand, ...window } = settings
if (role === 'child') {
  process.on('disconnect', () => process.exit())
  if (mode === 'stream') process.once('message', stream)
  else process.on('message', (message) => process.send(message))
} else {
  const [execPath, ...execArgv] = childCommand
  const child = fork(
    fileURLToPath(import.meta.url),
    [JSON.stringify({ ...settings, role: 'child' })],
    { execPath, execArgv, serialization: 'advanced' },
  )
  child.once('spawn', () => {
    waitForStart()
    const meter = new Meter(window)
    let count = 0
    child.send(Buffer.alloc(length))
    child.on('message', (message) => {
      if (++count % 16 === 0) meter.at(count)
      if (mode === 'round-trip') child.send(message)
    })
  })
}

function stream(message) {
  // `send` says when it holds back too much already.
  const send = () => {
    let room = true
    while (room) room = process.send(message)
    process.send(message, send)
  }
  send()
}
