// A binary protocol with descriptors in mid-stream, as that of Wayland: messages are a header of 8
// bytes (object, size and opcode) and a body; a descriptor comes in order with the messages, but
// not necessarily in the same read.
export const opcodes = { createPool: 1, sum: 2, result: 3 }

export function encode(object, opcode, ...words) {
  const message = Buffer.alloc(8 + 4 * words.length)
  message.writeUInt32LE(object, 0)
  message.writeUInt16LE(opcode, 4)
  message.writeUInt16LE(message.length, 6)
  words.forEach((word, i) => message.writeUInt32LE(word, 8 + 4 * i))
  return message
}

/** Cuts a stream of bytes and descriptors into messages. */
export class Decoder {
  #bytes = Buffer.alloc(0)
  #descriptors = [];

  *push({ data, fds }) {
    this.#bytes = Buffer.concat([this.#bytes, data])
    this.#descriptors.push(...fds)
    while (this.#bytes.length >= 8) {
      const size = this.#bytes.readUInt16LE(6)
      if (size < 8 || size % 4 !== 0) throw new Error(`a message of ${size} bytes`)
      if (this.#bytes.length < size) return
      const words = []
      for (let at = 8; at < size; at += 4) words.push(this.#bytes.readUInt32LE(at))
      yield { object: this.#bytes.readUInt32LE(0), opcode: this.#bytes.readUInt16LE(4), words }
      this.#bytes = this.#bytes.subarray(size)
    }
  }

  /** The next descriptor, for a message that has one. */
  takeDescriptor() {
    const descriptor = this.#descriptors.shift()
    if (descriptor === undefined) throw new Error('a descriptor is missing')
    return descriptor
  }
}
