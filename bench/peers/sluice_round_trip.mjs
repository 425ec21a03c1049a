// One side of a conversation through two rings: it asks, or answers.
//   modes: polling  both look at the rings all the time, without the event loop
//          consume  both answer from the handler of `consume`; `spin` as in its options
import { Ring } from '../../dist/index.js'
import { endWhenForgotten, Meter, waitForStart } from './protocol.mjs'

const { mode, role, rings, length, spin, ...window } = JSON.parse(process.argv[2])
const [there, back] = rings.map((name) => Ring.open(name))
const asks = role === 'ask'
const producer = (asks ? there : back).producer()
const consumer = (asks ? back : there).consumer()
waitForStart()
if (mode === 'consume') {
  await (asks ? askFromLoop() : answerFromLoop())
} else if (asks) {
  ask()
} else {
  answer()
}

function send(view, number) {
  while (!producer.tryReserve(length)) endWhenForgotten()
  view.setUint32(producer.offset, number, true)
  producer.commit()
}

function receive(view) {
  for (let looks = 0; consumer.peek() < 0; looks++) if (looks > 1e6) endWhenForgotten()
  const number = view.getUint32(consumer.offset, true)
  consumer.release()
  return number
}

function ask() {
  const meter = new Meter(window)
  const [out, into] = [producer.view, consumer.view]
  for (let number = 0; ; number = (number + 1) >>> 0) {
    if (number % 64 === 0) meter.at(number)
    send(out, number)
    if (receive(into) !== number) throw new Error('not the answer')
  }
}

function answer() {
  const [out, into] = [producer.view, consumer.view]
  for (;;) send(out, receive(into))
}

async function askFromLoop() {
  const meter = new Meter(window)
  const message = Buffer.alloc(length)
  let number = 0
  producer.tryWrite(message)
  await consumer.consume(
    (answer) => {
      if (answer.readUInt32LE(0) !== number) throw new Error('not the answer')
      number = (number + 1) >>> 0
      if (number % 16 === 0) meter.at(number)
      message.writeUInt32LE(number)
      producer.tryWrite(message)
    },
    { spin },
  )
}

async function answerFromLoop() {
  await consumer.consume((message) => void producer.tryWrite(message), { spin })
}
