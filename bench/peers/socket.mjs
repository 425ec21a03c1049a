// One end of a connection, by the same code over node:net and over sluice.
//   modes: stream       one write per message
//          framed       messages of framed, 64 to a send (sluice only)
//          records      messages through the rings themselves, 64 to a cork (channels only)
//          round-trip   messages are answered
//          connections  each connection is closed as soon as it is there
//          idle         memory that an idle connection takes which is being read
//          idle-unread  the same of one that nobody reads
//          descriptors  messages with one descriptor each (sluice only)
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

import {
  ChannelServer,
  connect as connectAddress,
  connectChannel,
  connectUnix,
  framed,
  listen as listenAddress,
  UnixServer,
} from '../../dist/index.js'
import { Meter, waitForStart } from './protocol.mjs'

const together = 64
const backlog = 4096
const maxConnections = 10_000

// Each listens at a path; a port is told by the file of that name.
const libraries = {
  net: {
    listen: (path, serve) => listenByNet({ path, backlog }, serve),
    connect: (path) => connectByNet({ path }),
  },
  'net-tcp': {
    async listen(path, serve) {
      const server = await listenByNet({ port: 0, host: '127.0.0.1', backlog }, serve)
      writeFileSync(path, String(server.address().port))
    },
    connect: (path) => connectByNet({ port: readFileSync(path, 'utf8'), noDelay: true }),
  },
  sluice: {
    listen: async (path, serve) =>
      serveAll(await UnixServer.listen(path, { backlog, maxConnections }), serve),
    connect: (path) => connectUnix(path),
  },
  tcp: {
    async listen(path, serve) {
      const server = await listenAddress('tcp:127.0.0.1:0', { backlog, maxConnections })
      writeFileSync(path, server.address)
      serveAll(server, serve)
    },
    connect: (path) => connectAddress(readFileSync(path, 'utf8')),
  },
  channel: channelsWith({}),
  'channel-asleep': channelsWith({ spin: 0 }),
}

function channelsWith(options) {
  return {
    listen: async (path, serve) =>
      serveAll(await ChannelServer.listen(path, { maxConnections, ...options }), serve),
    connect: (path) => connectChannel(path, { required: true, ...options }),
  }
}

function listenByNet(where, serve) {
  return new Promise((resolve) => {
    const server = createServer(serve)
    server.listen(where, () => resolve(server))
  })
}

function connectByNet(where) {
  return new Promise((resolve, reject) => {
    const socket = connect(where, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Does not wait for the end of it. */
function serveAll(server, serve) {
  const accepting = async () => {
    for await (const connection of server) serve(connection)
  }
  accepting()
}

const { library, mode, role, path, length, ...window } = JSON.parse(process.argv[2])
// A channel has five descriptors at each end.
const idleConnections = library === 'channel' ? 800 : 4000
const { listen, connect: connectTo } = libraries[library]

const modes = {
  stream: { serve: consume, use: produce },
  framed: { serve: receiveMessages, use: sendMessages },
  records: { serve: consumeRecords, use: produceRecords },
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

async function sendMessages() {
  const messages = framed(await connectTo(path))
  const batch = Array(together).fill(Buffer.alloc(length))
  for (;;) await messages.sendMany(batch)
}

async function receiveMessages(socket) {
  const messages = framed(socket)
  const meter = new Meter(window)
  for (let count = 0; ; meter.at(count)) count += (await messages.receiveMany()).length
}

async function produceRecords() {
  const { producer } = await connectTo(path)
  const { view } = producer
  for (let number = 0; ;) {
    producer.cork()
    for (let i = 0; i < together; i++, number = (number + 1) >>> 0) {
      while (!producer.tryReserve(length)) await producer.ready(length)
      view.setUint32(producer.offset, number, true)
      producer.commit()
    }
    producer.uncork()
  }
}

async function consumeRecords({ consumer }) {
  const meter = new Meter(window)
  let count = 0
  await consumer.consume(() => {
    if (++count % 1024 === 0) meter.at(count)
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
