// A producer at full speed, and a consumer that has a timer to serve: how late is the timer?
import { Ring } from '../../dist/index.js'
import { endWhenForgotten, Meter, waitForStart } from './protocol.mjs'

const timerMs = 10

const { role, ring: name, length, ...window } = JSON.parse(process.argv[2])
const ring = Ring.open(name)
if (role === 'producer') {
  const producer = ring.producer()
  waitForStart()
  for (let number = 0; ; number = (number + 1) >>> 0) {
    if (number % 1024 === 0) endWhenForgotten()
    while (!producer.tryReserve(length)) producer.waitSync(length)
    producer.view.setUint32(producer.offset, number, true)
    producer.commit()
  }
} else {
  const consumer = ring.consumer()
  waitForStart()
  const meter = new Meter(window)
  const lateness = []
  let count = 0
  const arm = () => {
    const due = performance.now() + timerMs
    setTimeout(() => {
      if (meter.open) lateness.push(performance.now() - due)
      meter.at(count, () => ({ lateness }))
      arm()
    }, timerMs)
  }
  arm()
  await consumer.consume(() => {
    count++
  })
}
