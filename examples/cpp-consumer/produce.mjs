// Node sends measurements to a C++ program that reads them without a copy.
//
//   g++ -std=c++20 -O2 -I native/include examples/cpp-consumer/consume.cpp -o /tmp/consume
//   node examples/cpp-consumer/produce.mjs /tmp/consume
//
// From another project the headers are in node_modules/sluice/native/include.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Ring } from 'sluice'

const program = process.argv[2]
if (program === undefined) {
  console.error('Give the compiled consume.cpp: see the first lines of this file.')
  process.exit(2)
}

const count = 200_000
const name = `/cpp-consumer-${process.pid}`
const ring = Ring.create(name)
const child = spawn(program, [name], { stdio: 'inherit' })
const exited = once(child, 'exit')
try {
  const producer = ring.producer()
  for (let i = 0; i < count; i++) {
    // Straight into shared memory: { uint32 sensor; uint32 time; double value }
    while (!producer.tryReserve(16)) await producer.ready(16)
    const { view, offset } = producer
    view.setUint32(offset, i % 4, true)
    view.setUint32(offset + 4, i, true)
    view.setFloat64(offset + 8, i / 2, true)
    producer.commit()
  }
  producer.close()
  console.log(`node: sent ${count} measurements`)
  const [code] = await exited
  process.exitCode = code
} finally {
  child.kill()
  ring.unlink()
  ring.close()
}
