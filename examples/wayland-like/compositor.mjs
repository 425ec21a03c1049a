// Sums up what clients have in memory that they share with it.
//
//   node examples/wayland-like/compositor.mjs /tmp/compositor.sock
import { SharedMemory, UnixServer } from 'sluice'
import { Decoder, encode, opcodes } from './protocol.mjs'

const server = await UnixServer.listen(process.argv[2])
process.on('SIGTERM', () => server.close())
console.log('listening')

for await (const connection of server) {
  serve(connection).catch((error) => {
    console.error(error.message)
    connection.close()
  })
}

async function serve(connection) {
  const decoder = new Decoder()
  const pools = new Map()
  for (let read; (read = await connection.receive()) !== undefined;) {
    for (const { object, opcode, words } of decoder.push(read)) {
      if (opcode === opcodes.createPool) {
        const descriptor = decoder.takeDescriptor()
        // Sealed: no client can shrink it under our hands.
        pools.set(object, SharedMemory.fromFd(descriptor.number))
        descriptor.close()
      } else if (opcode === opcodes.sum) {
        const [offset, length] = words
        const bytes = new Uint8Array(pools.get(object).buffer, offset, length)
        const sum = bytes.reduce((total, byte) => total + byte, 0)
        await connection.send(encode(object, opcodes.result, sum))
      }
    }
  }
  for (const pool of pools.values()) pool.close()
}
