// One end of a pipe: a FIFO by its path, or the anonymous pipe that is descriptor 3 of the reader, and
// descriptor 1 of the writer. The writer starts by itself, and waits at the full pipe.
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'

import { Meter, waitForStart } from './protocol.mjs'

const { role, path, length, ...window } = JSON.parse(process.argv[2])
if (role === 'read') {
  waitForStart()
  const fd = path === undefined ? 3 : openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const meter = new Meter(window)
  let bytes = 0
  new Socket({ fd, readable: true, writable: false }).on('data', (data) => {
    bytes += data.length
    meter.at(bytes / length)
  })
} else {
  if (path !== undefined) waitForStart()
  const fd = path === undefined ? 1 : openSync(path, constants.O_WRONLY)
  const socket = new Socket({ fd, readable: false, writable: true })
  socket.on('error', () => process.exit()) // the reader is gone
  const message = Buffer.alloc(length)
  const send = () => {
    while (socket.write(message));
    socket.once('drain', send)
  }
  send()
}
