import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  ControlKind,
  ControlParser,
  encodeControl,
  type ControlMessage,
} from '../../lib/channel/control_message.js'
import { sluiceError } from '../support/rings.js'

const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const token = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes))

const message: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({
    kind: fc.constant(ControlKind.hello),
    lowest: u16,
    highest: u16,
    features: u32,
    required: u32,
    toServer: u32,
    toClient: u32,
  }),
  fc.record({
    kind: fc.constant(ControlKind.offer),
    version: u16,
    features: u32,
    toServer: u32,
    toClient: u32,
    token,
  }),
  fc.record({ kind: fc.constant(ControlKind.accept), token }),
  fc.record({
    kind: fc.constant(ControlKind.reject),
    reason: u16,
    text: fc.string({ maxLength: 60, unit: 'grapheme' }),
  }),
  fc.record({ kind: fc.constant(ControlKind.ready) }),
  fc.record({ kind: fc.constant(ControlKind.plain) }),
  fc.record({ kind: fc.constant(ControlKind.cargo), number: u32, count: u16 }),
)

function all(parser: ControlParser): ControlMessage[] {
  const found: ControlMessage[] = []
  for (let next; (next = parser.next()) !== undefined;) found.push(next)
  return found
}

describe('the messages of the control connection', () => {
  test('come out as they went in, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map(encodeControl))
          const parser = new ControlParser()
          const found: ControlMessage[] = []
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const length = cuts[i % cuts.length] ?? 1
            parser.add(bytes.subarray(at, at + length))
            at += length
            found.push(...all(parser))
          }
          expect(found).toEqual(messages)
          expect(parser.rest.length).toBe(0)
        },
      ),
    )
  })

  test('any other bytes are refused or waited for, and never kept without a bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        const parser = new ControlParser()
        try {
          for (const byte of bytes) {
            parser.add(Buffer.of(byte))
            all(parser)
            expect(parser.rest.length).toBeLessThan(600)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SLUICE_CORRUPT' })
        }
      }),
    )
  })

  test.each([
    ['of an unknown kind', Buffer.of(1, 0, 99)],
    ['without a kind', Buffer.of(0, 0, 1)],
    ['that is too short for its kind', Buffer.of(2, 0, ControlKind.accept)],
    ['that is too long for its kind', Buffer.of(2, 0, ControlKind.ready)],
    ['with a text that is too long', Buffer.of(0xff, 0xff, ControlKind.reject)],
  ])('a message %s is refused by its first three bytes', (_, bytes) => {
    const parser = new ControlParser()
    parser.add(bytes)
    expect(() => parser.next()).toThrow(sluiceError('ERR_SLUICE_CORRUPT'))
  })

  test('a long reason is cut, and not in the middle of a character', () => {
    const parser = new ControlParser()
    parser.add(encodeControl({ kind: ControlKind.reject, reason: 1, text: 'ä'.repeat(1000) }))
    expect(parser.next()).toEqual({ kind: ControlKind.reject, reason: 1, text: 'ä'.repeat(128) })
  })
})
