// One end of a Unix socket, by the same code over node:net and over sluice.
//   modes: stream       one write per message
//          round-trip   messages are answered
//          connections  each connection is closed as soon as it is there
//          idle         memory that an idle connection takes which is being read
//          idle-unread  the same of one that nobody reads
//          descriptors  messages with one descriptor each (sluice only)
import { closeSync, openSync } from 'node:fs'
import { connect, createServer } from 'node:net'

import { connectUnix, UnixServer } from '../../dist/index.js'
import { Meter, waitForStart } from './protocol.mjs'

const idleConnections = 4000

const libraries = {
  net: {
    listen: (path, serve) =>
      new Promise((resolve) => {
        const server = createServer(serve)
        server.listen({ path, backlog: 4096 }, () => resolve(server))
      }),
    connect: (path) =>
      new Promise((resolve, reject) => {
        const socket = connect(path, () => resolve(socket))
        socket.once('error', reject)
      }),
  },
  sluice: {
    async listen(path, serve) {
      const server = await UnixServer.listen(path, { backlog: 4096 })
      const accepting = async () => {
        for await (const connection of server) serve(connection)
      }
      accepting()
    },
    connect: (path) => connectUnix(path),
  },
}

const { library, mode, role, path, length, ...window } = JSON.parse(process.argv[2])
const { listen, connect: connectTo } = libraries[library]

const modes = {
  stream: { serve: consume, use: produce },
  'round-trip': { serve: answer, use: ask },
  connections: { serve: discard, use: connectOften },
  idle: { serve: discard, use: () => stayIdle(discard) },
  'idle-unread': { serve: discard, use: () => stayIdle(keep) },
  descriptors: { serve: receiveDescriptors, use: sendDescriptors },
}

if (role === 'listen') {
  await listen(path, modes[mode].serve)
  waitForStart()
} else {
  waitForStart()
  await modes[mode].use()
}

async function produce() {
  const socket = await connectTo(path)
  const message = Buffer.alloc(length)
  const send = () => {
    while (socket.write(message));
    socket.once('drain', send)
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

async function ask() {
  const socket = await connectTo(path)
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

function discard(socket) {
  socket.on('error', () => undefined)
  socket.resume()
}

function keep(socket) {
  socket.on('error', () => undefined)
}

async function connectOften() {
  const meter = new Meter(window)
  for (let count = 0; ; meter.at(++count)) {
    const socket = await connectTo(path)
    socket.resume()
    socket.end()
    await new Promise((resolve) => socket.once('close', resolve))
  }
}

async function stayIdle(take) {
  const open = []
  // What is made only once is there before it is measured.
  for (let i = 0; i < 100; i++) take((open[open.length] = await connectTo(path)))
  const before = await settledMemory()
  for (let i = 0; i < idleConnections; i++) take((open[open.length] = await connectTo(path)))
  const bytes = ((await settledMemory()) - before) / idleConnections
  const meter = new Meter(window)
  for (let count = 0; ; count++) {
    meter.at(count, () => ({ bytes, open: open.length }))
    await new Promise(setImmediate)
  }
}

/** What is left when garbage has gone, and V8 has given its pages back, which it does aside. */
async function settledMemory() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return process.memoryUsage().rss
}

async function sendDescriptors() {
  const socket = await connectTo(path)
  const fd = openSync('/dev/null', 'r')
  const message = Buffer.alloc(length)
  for (;;) {
    const sends = []
    for (let i = 0; i < 64; i++) sends.push(socket.send(message, { fds: [fd] }))
    await Promise.all(sends)
    if (socket.destroyed) closeSync(fd)
  }
}

async function receiveDescriptors(socket) {
  const meter = new Meter(window)
  for (let count = 0; ; meter.at(count)) {
    const message = await socket.receive()
    for (const descriptor of message.fds) {
      descriptor.close()
      count++
    }
  }
}
