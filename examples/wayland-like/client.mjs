// Makes pools of shared memory, sends them in between other messages, and asks about them.
//
//   node examples/wayland-like/client.mjs /tmp/compositor.sock
import { connectUnix, SharedMemory } from 'sluice'
import { Decoder, encode, opcodes } from './protocol.mjs'

const pools = 10
const connection = await connectUnix(process.argv[2])
for (let object = 1; object <= pools; object++) {
  const memory = SharedMemory.anonymous({ size: 4096 })
  new Uint8Array(memory.buffer).fill(object)
  // Nothing is awaited: bytes and descriptors keep their order.
  void connection.send(encode(object, opcodes.createPool), { fds: [memory] })
  memory.close()
  connection.write(encode(object, opcodes.sum, 0, 10 * object))
}

const decoder = new Decoder()
let results = 0
while (results < pools) {
  const read = await connection.receive()
  if (read === undefined) throw new Error('the compositor has gone')
  for (const { object, words } of decoder.push(read)) {
    if (words[0] !== object * object * 10) throw new Error(`pool ${object}: ${words[0]}`)
    results++
  }
}
console.log(`client: ${results} sums are right`)
connection.close()
