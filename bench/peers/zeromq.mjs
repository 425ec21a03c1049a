// One end of a pair of zeromq sockets over ipc://.
//   modes: stream      push and pull
//          round-trip  request and reply
import { Pull, Push, Reply, Request } from 'zeromq'

import { Meter, waitForStart } from './protocol.mjs'

const { mode, role, path, length, ...window } = JSON.parse(process.argv[2])
const message = Buffer.alloc(length)
const address = `ipc://${path}`

if (mode === 'stream' && role === 'listen') {
  const socket = new Pull()
  await socket.bind(address)
  waitForStart()
  const meter = new Meter(window)
  let count = 0
  for await (const [_message] of socket) if (++count % 16 === 0) meter.at(count)
} else if (mode === 'stream') {
  const socket = new Push()
  socket.connect(address)
  waitForStart()
  for (;;) await socket.send(message)
} else if (role === 'listen') {
  const socket = new Reply()
  await socket.bind(address)
  waitForStart()
  for await (const [question] of socket) await socket.send(question)
} else {
  const socket = new Request()
  socket.connect(address)
  waitForStart()
  const meter = new Meter(window)
  for (let count = 0; ; count++) {
    meter.at(count)
    await socket.send(message)
    await socket.receive()
  }
}
