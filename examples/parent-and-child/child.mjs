// Started by parent.mjs, with the ring as descriptor 3 or, on Windows, with its name.
import { Ring } from 'sluice'

const [name] = process.argv.slice(2)
const ring = name === undefined ? Ring.fromFd(3) : Ring.open(name)
const consumer = ring.consumer()

let sum = 0
const count = await consumer.consume((message) => {
  // A view of shared memory: nothing has been copied. It is valid until this function returns.
  sum += message.readDoubleLE(0)
})
console.log(`child: received ${count} numbers, their sum is ${sum}`)
ring.close()
