// Started by parent.mjs, with the ring as descriptor 3.
import { Ring } from 'sluice'

const ring = Ring.fromFd(3)
const consumer = ring.consumer()

let sum = 0
const count = await consumer.consume((message) => {
  // A view of shared memory: nothing has been copied. It is valid until this function returns.
  sum += message.readDoubleLE(0)
})
console.log(`child: received ${count} numbers, their sum is ${sum}`)
ring.close()
