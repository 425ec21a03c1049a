// A ring without a name between a parent and its child process.
//
//   node examples/parent-and-child/parent.mjs
//
// Nothing is left behind, however the two end: the memory goes with its last holder, and no other
// process of the machine can find it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Ring } from 'sluice'

const count = 100_000
const ring = Ring.anonymous({ capacity: 1 << 16 })

// The child's descriptor 3 is the ring.
const child = spawn(process.execPath, [fileURLToPath(new URL('child.mjs', import.meta.url))], {
  stdio: ['ignore', 'inherit', 'inherit', ring.fd],
})

const producer = ring.producer()
const message = Buffer.alloc(8)
for (let i = 1; i <= count; i++) {
  message.writeDoubleLE(i)
  // tryWrite is the fast way; write waits when the ring is full.
  if (!producer.tryWrite(message)) await producer.write(message)
}
producer.close()
console.log(`parent: sent ${count} numbers`)

const [code] = await once(child, 'exit')
ring.close()
process.exitCode = code
