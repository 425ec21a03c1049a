// One end of a ring, at full speed.
//   modes: zero-copy  tryReserve and commit, peek and release; a number is written and read
//          corked     the same, 16 messages to a cork
//          drain      tryWrite and drain; the first byte is looked at
//          copy       tryWrite and drain, and each message is copied out
import { Ring } from '../../dist/index.js'
import { endWhenForgotten, Meter, waitForStart } from './protocol.mjs'

const batch = 1024 // messages between two looks at the clock
const corked = 16

const { mode, role, ring: name, length, ...window } = JSON.parse(process.argv[2])
const ring = Ring.open(name)
if (role === 'producer') {
  const producer = ring.producer()
  waitForStart()
  if (mode === 'zero-copy') reserve(producer)
  else if (mode === 'corked') reserveCorked(producer)
  else write(producer)
} else {
  const consumer = ring.consumer()
  waitForStart()
  if (mode === 'zero-copy' || mode === 'corked') peek(consumer)
  else drain(consumer, mode === 'copy')
}

function reserve(producer) {
  const { view } = producer
  for (let number = 0; ; number = (number + 1) >>> 0) {
    if (number % batch === 0) endWhenForgotten()
    while (!producer.tryReserve(length)) producer.waitSync(length)
    view.setUint32(producer.offset, number, true)
    producer.commit()
  }
}

function reserveCorked(producer) {
  const { view } = producer
  for (let number = 0; ;) {
    if (number % batch === 0) endWhenForgotten()
    producer.cork()
    for (let i = 0; i < corked; i++, number = (number + 1) >>> 0) {
      while (!producer.tryReserve(length)) producer.waitSync(length)
      view.setUint32(producer.offset, number, true)
      producer.commit()
    }
    producer.uncork()
  }
}

function peek(consumer) {
  const { view } = consumer
  const meter = new Meter(window)
  for (let number = 0; ; number = (number + 1) >>> 0) {
    if (number % batch === 0) meter.at(number)
    while (consumer.peek() < 0) consumer.waitSync()
    if (view.getUint32(consumer.offset, true) !== number) throw new Error('not the next message')
    consumer.release()
  }
}

function write(producer) {
  const source = new Uint8Array(length)
  for (let number = 0; ; number = (number + 1) >>> 0) {
    if (number % batch === 0) endWhenForgotten()
    source[0] = number
    while (!producer.tryWrite(source)) producer.waitSync(length)
  }
}

function drain(consumer, copying) {
  const target = new Uint8Array(length)
  const meter = new Meter(window)
  let count = 0
  const check = (bytes) => {
    if (bytes[0] !== (count & 255)) throw new Error('not the next message')
    count++
  }
  const handler = copying
    ? (message) => {
        target.set(message)
        check(target)
      }
    : check
  let next = 0
  for (;;) {
    if (consumer.drain(handler, batch) === 0) consumer.waitSync()
    if (count < next) continue
    meter.at(count)
    next = count + (length > 4096 ? 16 : batch)
  }
}
