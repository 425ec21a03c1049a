// Tries whether the runtime keeps stores in order: records whose payload is written by every kind of
// store just before they are published, by one thread, and looked at by another as soon as they can
// be seen. A record that is seen torn, or before its payload, ends it with an error.
//
//   litmus.mjs <records>      prints { records, stores: 'plain' or 'ordered' }
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

import { Ring, capabilities } from 'sluice'

const length = 64
const long = 1024 // now and then: what is copied by the routines of the system
const every = 61
const looks = 2000
const values = 251 // a prime: the same place of the ring never holds the same value twice in a row

const lengthOf = (number) => (number % every === 0 ? long : length)
const valueOf = (number) => 1 + (number % values)

if (isMainThread) {
  const records = Number(process.argv[2])
  const name = `/sluice-test-litmus-${process.pid}`
  const ring = Ring.create(name, { capacity: 65536 })
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { name, records } })
  worker.once('message', () => {
    ring.unlink()
    write(ring.producer(), records)
  })
  worker.once('error', (error) => {
    throw error
  })
  worker.once('exit', (code) => {
    ring.close()
    const stores = capabilities().plainStores ? 'plain' : 'ordered'
    if (code === 0) console.log(JSON.stringify({ records, stores }))
    process.exit(code)
  })
} else {
  const { parentPort } = await import('node:worker_threads')
  const consumer = Ring.open(workerData.name).consumer()
  parentPort.postMessage('ready')
  check(consumer, workerData.records)
  process.exit(0)
}

function write(producer, records) {
  const { bytes, view } = producer
  const { buffer, byteOffset } = bytes
  const arrays = [
    Uint8Array,
    Int8Array,
    Uint8ClampedArray,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ].map((Type) => new Type(buffer, byteOffset, bytes.length / Type.BYTES_PER_ELEMENT))
  // The element that each kind of array has to store, by value, so that all bytes have that value.
  const filled = Array.from({ length: values + 1 }, (_, value) => Buffer.alloc(long, value))
  const elements = arrays.map((array) =>
    filled.map(({ buffer: source, byteOffset: at }) => new array.constructor(source, at, 1)[0]),
  )
  const texts = filled.map((_, value) => String.fromCharCode(value).repeat(long))
  const stores = [
    ...arrays.map((array, i) => (at, size, value) => {
      const step = array.BYTES_PER_ELEMENT
      const element = elements[i][value]
      for (let j = at / step; j < (at + size) / step; j++) array[j] = element
    }),
    ...arrays.map((array, i) => (at, size, value) => {
      const step = array.BYTES_PER_ELEMENT
      array.fill(elements[i][value], at / step, (at + size) / step)
    }),
    (at, size, value) => {
      for (let j = at; j < at + size; j += 8) view.setFloat64(j, elements[8][value], true)
    },
    (at, size, value) => {
      for (let j = at; j < at + size; j += 4) view.setUint32(j, elements[5][value], j % 8 === 0)
    },
    (at, size, value) => {
      for (let j = at; j < at + size; j += 2) view.setInt16(j, elements[4][value])
    },
    (at, size, value) => {
      for (let j = at; j < at + size; j++) view.setUint8(j, value)
    },
    (at, size, value) => {
      for (let j = at; j < at + size; j += 8) view.setBigUint64(j, elements[10][value], true)
    },
    (at, size, value) => filled[value].copy(bytes, at, 0, size),
    (at, size, value) => bytes.set(filled[value].subarray(0, size), at),
    (at, size, value) => bytes.write(texts[value], at, size, 'latin1'),
    (at, size, value) => {
      for (let j = at; j < at + size; j += 4) bytes.writeInt32LE(elements[6][value], j)
    },
    (at, size, value) => {
      bytes.fill(value, at, at + size / 2)
      bytes.copyWithin(at + size / 2, at, at + size / 2)
    },
  ]
  for (let number = 0; number < records; number++) {
    const size = lengthOf(number)
    const value = valueOf(number)
    const store = stores[number % stores.length]
    let left = looks
    while (!producer.tryReserve(size)) if (left-- === 0) producer.waitSync(size)
    store(producer.offset, size, value)
    producer.commit()
  }
  producer.close()
}

function check(consumer, records) {
  const { bytes } = consumer
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  for (let number = 0; number < records; number++) {
    let size = -1
    for (let left = looks; (size = consumer.peek()) < 0; left--) if (left <= 0) consumer.waitSync()
    const expected = Math.imul(valueOf(number), 0x01010101)
    const first = consumer.offset / 4
    let right = size === lengthOf(number)
    // The last word that was stored is the likeliest to be late.
    for (let i = first + size / 4 - 1; i >= first; i--) right &&= words[i] === expected
    if (!right) {
      const seen = bytes.subarray(consumer.offset, consumer.offset + size).toString('hex')
      throw new Error(`record ${number} of ${size} bytes is not all ${valueOf(number)}: ${seen}`)
    }
    consumer.release()
  }
}
