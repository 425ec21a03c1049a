// A ring without a name between a parent and its child process.
//
//   node examples/parent-and-child/parent.mjs
//
// Nothing is left behind, however the two end: the memory goes with its last holder, and no other
// process of the machine can find it. On Windows nothing is inherited: there the ring has a name, and
// goes with its last holder all the same.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Ring } from 'sluice'

const count = 100_000
const program = fileURLToPath(new URL('child.mjs', import.meta.url))
const [ring, child] = process.platform === 'win32' ? byName() : inherited()
const exited = once(child, 'exit')

// The child's descriptor 3 is the ring.
function inherited() {
  const ring = Ring.anonymous({ capacity: 1 << 16 })
  const stdio = ['ignore', 'inherit', 'inherit', ring.fd]
  return [ring, spawn(process.execPath, [program], { stdio })]
}

function byName() {
  const ring = Ring.create(`/parent-and-child-${randomUUID()}`, { capacity: 1 << 16 })
  const stdio = ['ignore', 'inherit', 'inherit']
  return [ring, spawn(process.execPath, [program, ring.name], { stdio })]
}

const producer = ring.producer()
const message = Buffer.alloc(8)
for (let i = 1; i <= count; i++) {
  message.writeDoubleLE(i)
  // tryWrite is the fast way; write waits when the ring is full.
  if (!producer.tryWrite(message)) await producer.write(message)
}
producer.close()
console.log(`parent: sent ${count} numbers`)

const [code] = await exited
ring.close()
process.exitCode = code
