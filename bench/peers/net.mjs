// One end of a Unix socket of node:net.
//   modes: stream      one write per message
//          corked      64 messages to a cork
//          round-trip  messages are answered
import { connect, createServer } from 'node:net'

import { Meter, waitForStart } from './protocol.mjs'

const corkedMessages = 64

const { mode, role, path, length, ...window } = JSON.parse(process.argv[2])
if (role === 'listen') {
  const server = createServer(mode === 'round-trip' ? answer : consume)
  server.listen(path, waitForStart)
} else {
  const socket = connect(path, () => {
    waitForStart()
    if (mode === 'round-trip') ask(socket)
    else produce(socket)
  })
}

function produce(socket) {
  const message = Buffer.alloc(length)
  const send = () => {
    for (;;) {
      let room = true
      if (mode === 'corked') {
        socket.cork()
        for (let i = 0; i < corkedMessages; i++) room = socket.write(message)
        socket.uncork()
      } else {
        room = socket.write(message)
      }
      if (!room) return void socket.once('drain', send)
    }
  }
  send()
}

function consume(socket) {
  const meter = new Meter(window)
  let bytes = 0
  socket.on('data', (data) => {
    bytes += data.length
    meter.at(bytes / length)
  })
}

function ask(socket) {
  const meter = new Meter(window)
  const message = Buffer.alloc(length)
  let count = 0
  let missing = length
  socket.on('data', (data) => {
    missing -= data.length
    if (missing > 0) return
    missing = length
    meter.at(++count)
    socket.write(message)
  })
  socket.write(message)
}

function answer(socket) {
  socket.on('data', (data) => socket.write(data))
}
