// Two processes of different machines' code, in scripts/test-arm64.mjs: one serves, the other connects. A
// file and a ring go over the socket by descriptor, then messages through the ring, both ways.
//
//   node across.mjs serve ADDRESS FILE      prints a line when it listens
//   node across.mjs connect ADDRESS FILE
import { closeSync, openSync, readFileSync } from 'node:fs'

import { Ring, UnixServer, connectUnix } from 'sluice'

const count = 2000
const [role, address, file] = process.argv.slice(2)
const text = (i) => `message ${i} ${'x'.repeat(i % 300)}`

function expect(condition, what) {
  if (!condition) throw new Error(`${role}: ${what}`)
}

async function consume(ring) {
  let i = 0
  await ring.consumer().consume((message) => {
    expect(message.toString() === text(i), `message ${i} is '${message}'`)
    i++
  })
  expect(i === count, `${i} messages instead of ${count}`)
}

async function produce(ring) {
  const producer = ring.producer()
  for (let i = 0; i < count; i++) await producer.write(Buffer.from(text(i)))
  producer.close()
}

async function serve() {
  const server = await UnixServer.listen(address)
  console.log('ready')
  const connection = await server.accept()
  const [there, back] = [Ring.anonymous({ capacity: 4096 }), Ring.anonymous({ capacity: 4096 })]
  const opened = openSync(file, 'r')
  await connection.send(Buffer.from('take these'), { fds: [opened, there, back] })
  closeSync(opened)
  await Promise.all([produce(there), consume(back)])
  there.close()
  back.close()
  connection.destroy()
  server.close()
}

async function connect() {
  const connection = await connectUnix(address)
  const { data, fds } = await connection.receive()
  expect(data.toString() === 'take these' && fds.length === 3, `${data}, ${fds.length} descriptors`)
  const [opened, there, back] = fds
  expect(readFileSync(opened.number, 'utf8') === readFileSync(file, 'utf8'), 'another file came')
  const rings = [Ring.fromFd(there.number), Ring.fromFd(back.number)]
  for (const fd of fds) fd.close()
  await Promise.all([consume(rings[0]), produce(rings[1])])
  for (const ring of rings) ring.close()
  connection.destroy()
}

await (role === 'serve' ? serve() : connect())
console.log(`${role} on ${process.arch}: ${count} messages each way`)
