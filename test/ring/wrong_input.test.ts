import { describe, expect, test } from 'vitest'

import { ringWithEnds, sluiceError } from '../support/rings.js'
import { revoked, wrongBytes } from '../support/wrong_values.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

describe.each(wrongBytes)('bytes that are %s', (_, value) => {
  test('are refused at once, and nothing is written', () => {
    const { producer, consumer } = ringWithEnds()
    const bytes = value as Uint8Array
    expect(() => producer.tryWrite(bytes)).toThrow(wrong)
    expect(() => producer.write(bytes)).toThrow(wrong)
    expect(() => {
      producer.writeSync(bytes)
    }).toThrow(wrong)
    expect(consumer.drain(() => undefined)).toBe(0)
    expect(producer.tryWrite(Buffer.from('right'))).toBe(true)
    expect(consumer.tryRead()?.toString()).toBe('right')
  })
})

const throwing = {
  toString() {
    throw new Error('mine')
  },
}

test.each<[string, unknown]>([
  ['a symbol', Symbol('length')],
  ['a string', '8'],
  ['a bigint', 8n],
  ['null', null],
  ['NaN', NaN],
  ['a fraction', 1.5],
  ['negative', -1],
  ['an object without a prototype', Object.create(null)],
  ['an object that cannot be converted', throwing],
  ['a revoked proxy', revoked({})],
  ['a proxy of an array', new Proxy(new Uint8Array(3), {})],
])('a length or a type that is %s is refused at once', (_, value) => {
  const { producer } = ringWithEnds()
  const number = value as number
  expect(() => producer.tryReserve(number)).toThrow(wrong)
  expect(() => producer.tryReserve(8, number)).toThrow(wrong)
  expect(() => producer.tryWrite(Buffer.from('x'), number)).toThrow(wrong)
  expect(() => producer.ready(number)).toThrow(wrong)
  expect(() => producer.waitSync(number)).toThrow(wrong)
  expect(producer.tryWrite(Buffer.from('x'))).toBe(true)
})
