// A process and its child, which it forks itself, over the IPC channel of node:child_process with
// the "advanced" serialization.
//   modes: stream, round-trip
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { Meter, waitForStart } from './protocol.mjs'

const longestBurst = 1024 // messages

const settings = JSON.parse(process.argv[2])
const { mode, role, length, childCommand, ...window } = settings
if (role === 'child') {
  process.once('disconnect', () => process.exit())
  if (mode === 'stream') process.once('message', stream)
  else process.on('message', (message) => process.send(message))
} else {
  const [execPath, ...execArgv] = childCommand
  const child = fork(
    fileURLToPath(import.meta.url),
    [JSON.stringify({ ...settings, role: 'child' })],
    {
      execPath,
      execArgv,
      serialization: 'advanced',
      // The pipes to this process's own parent close when this process ends.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    },
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
  // `send` says false when it holds back too much already, but goes on saying true when the other
  // process has gone: only its callback tells, so each burst has an end.
  const send = (error) => {
    if (error) process.exit()
    for (let i = 1; i < longestBurst && process.send(message); i++) continue
    process.send(message, send)
  }
  send()
}
