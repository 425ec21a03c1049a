import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { decodeHello, decodeText, encodeHello, type Hello } from '../../lib/mux/frame_bodies.js'
import { FrameFlag, FrameHeader, FrameKind, headerLength } from '../../lib/mux/frame.js'
import { Found, FrameDecoder } from '../../lib/mux/frame_decoder.js'
import {
  encodeBlocked,
  encodeCredit,
  encodeData,
  encodeGoaway,
  encodeHeader,
  encodeOpen,
  encodePing,
  encodePong,
  encodeReset,
  encodeStop,
  longestControlFrame,
} from '../../lib/mux/frame_encoder.js'
import { replayed } from '../support/replay.js'
import { sluiceError } from '../support/rings.js'
import { stress } from '../support/stress.js'

const { mine, fin, compressed, digest, done, twoWay } = FrameFlag
const corrupt = sluiceError('ERR_SLUICE_CORRUPT')
const largestBody = 4096

/** Writes into the middle of other memory, and takes what was written. */
function encoded(write: (target: Uint8Array, at: number) => number): Buffer {
  const target = Buffer.alloc(2048, 0xee)
  const end = write(target, 7)
  expect(target.subarray(0, 7).every((byte) => byte === 0xee)).toBe(true)
  expect(target.subarray(end).every((byte) => byte === 0xee)).toBe(true)
  return target.subarray(7, end)
}

const hello: Hello = {
  lowest: 1,
  highest: 2,
  largestBody: 0x10000,
  limits: { guarantee: 0x8000, window: 0x800000, pool: 0x2000000, slots: 1024 },
  features: 5,
  required: 4,
}

const examples: [string, Buffer, string][] = [
  [
    'HELLO',
    encoded((target, at) => encodeHello(target, at, hello)),
    '2c000000 01 00 0000 00000000 0100 0200 ' +
      '534c554943454d58 00000100 00800000 00008000 00000002 00040000 05000000 04000000',
  ],
  [
    'OPEN',
    encoded((target, at) => {
      const [key, flags] = [Buffer.from('key'), fin | twoWay]
      const open = { stream: 3, key, bytes: 2, flags, priority: 2, compression: 1 }
      const end = encodeOpen(target, at, open)
      target.set(Buffer.from('hi'), end)
      return end + 2
    }),
    '0d000000 02 23 0000 03000000 0300 02 01 6b6579 6869',
  ],
  [
    'DATA',
    encoded((target, at) => {
      const end = encodeData(target, at, 0x01020304, mine | fin, 0xfffffffe, 1)
      target[end] = 0x2a
      return end + 1
    }),
    '09000000 03 03 0000 04030201 feffffff 2a',
  ],
  [
    'CREDIT',
    encoded((target, at) => encodeCredit(target, at, 5, mine | done, 0x80000001)),
    '08000000 04 11 0000 05000000 01000080',
  ],
  [
    'RESET',
    encoded((target, at) => encodeReset(target, at, 6, 0, 9, 0x11223344, 'no')),
    '0e000000 05 00 0000 06000000 09000000 44332211 6e6f',
  ],
  [
    'STOP',
    encoded((target, at) => encodeStop(target, at, 7, mine, 10)),
    '08000000 06 01 0000 07000000 0a000000',
  ],
  [
    'PING',
    encoded((target, at) => encodePing(target, at, 11)),
    '08000000 07 00 0000 00000000 0b000000',
  ],
  [
    'PONG',
    encoded((target, at) => encodePong(target, at, 11)),
    '08000000 08 00 0000 00000000 0b000000',
  ],
  [
    'GOAWAY',
    encoded((target, at) => encodeGoaway(target, at, 1, 12, 'bye')),
    '0f000000 09 00 0000 00000000 01000000 0c000000 627965',
  ],
  [
    'BLOCKED',
    encoded((target, at) => encodeBlocked(target, at, 8, mine, 2 ** 40)),
    '08000000 0a 01 0000 08000000 ffffffff',
  ],
]

interface Frame {
  kind: number
  flags: number
  stream: number
  aux: number
  small: Buffer
  data: Buffer
}

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((each) => Buffer.from(each))
const none = fc.constant(Buffer.alloc(0))
const number = fc.constantFrom(0, mine)

/** A frame of any kind that is allowed, made without the encoder. */
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc
    .record({
      kind: fc.constant(FrameKind.open),
      flags: fc.constantFrom(mine, mine | fin, mine | twoWay, mine | compressed | twoWay),
      stream: u32,
      aux: fc.nat(3).map((priority) => priority << 16),
      small: bytes(40),
      data: bytes(60),
    })
    .map((open) => ({ ...open, aux: open.aux | open.small.length })),
  fc.record({
    kind: fc.constant(FrameKind.data),
    flags: fc.constantFrom(0, mine, fin, mine | fin | compressed),
    stream: u32,
    aux: u32,
    small: none,
    data: bytes(100),
  }),
  fc.record({
    kind: fc.constantFrom(FrameKind.stop, FrameKind.credit, FrameKind.blocked),
    flags: number,
    stream: u32,
    aux: u32,
    small: none,
    data: none,
  }),
  fc.record({
    kind: fc.constant(FrameKind.reset),
    flags: number,
    stream: u32,
    aux: u32,
    small: fc.uint8Array({ minLength: 4, maxLength: 260 }).map((each) => Buffer.from(each)),
    data: none,
  }),
  fc.record({
    kind: fc.constantFrom(FrameKind.hello, FrameKind.goaway),
    flags: fc.constant(0),
    stream: fc.constant(0),
    aux: u32,
    small: fc.uint8Array({ minLength: 36, maxLength: 260 }).map((each) => Buffer.from(each)),
    data: none,
  }),
  fc.record({
    kind: fc.constantFrom(FrameKind.ping, FrameKind.pong),
    flags: fc.constant(0),
    stream: fc.constant(0),
    aux: u32,
    small: none,
    data: none,
  }),
)

function bytesOf({ kind, flags, stream, aux, small, data }: Frame): Buffer {
  const header = Buffer.alloc(headerLength)
  encodeHeader(header, 0, kind, flags, stream, aux, small.length + data.length)
  return Buffer.concat([header, small, data])
}

/** Decodes bytes of any kind in the way that an owner of a decoder does. */
function readSmall({ header, part }: FrameDecoder): void {
  expect(part.length).toBeLessThanOrEqual(1024)
  if (header.kind === FrameKind.hello) decodeHello(header.aux, part)
  else if (header.kind !== FrameKind.open) decodeText(part)
}

/** Frames as the decoder gives them, their data put together. */
class Collector {
  readonly decoder = new FrameDecoder(largestBody)
  readonly frames: Frame[] = []
  parts = 0

  push(chunk: Uint8Array): void {
    this.decoder.push(chunk)
    const { decoder } = this
    for (let found; (found = decoder.next()) !== Found.nothing;) {
      const last = this.frames.at(-1)
      if (found === Found.header) {
        const { kind, flags, stream, aux } = decoder.header
        this.frames.push({
          kind,
          flags,
          stream,
          aux,
          small: Buffer.alloc(0),
          data: Buffer.alloc(0),
        })
      } else if (last === undefined) throw new Error('bytes before a header')
      else if (found === Found.small) last.small = Buffer.from(decoder.part)
      else {
        expect(decoder.part.buffer, 'data are a slice of the chunk').toBe(chunk.buffer)
        expect(decoder.part.length).toBeGreaterThan(0)
        last.data = Buffer.concat([last.data, decoder.part])
        this.parts++
      }
    }
    expect(decoder.part.length).toBe(0)
  }
}

describe('the bytes of a frame', () => {
  test.each(examples)('%s', (_, frame, hex) => {
    expect(frame.toString('hex')).toBe(hex.replaceAll(' ', ''))
  })

  test.each(examples)('%s comes out as it went in, at every split', (name, frame) => {
    const whole = new Collector()
    whole.push(frame)
    expect(whole.frames).toHaveLength(1)
    const kind = name.toLowerCase() as keyof typeof FrameKind
    expect(whole.frames[0]?.kind).toBe(FrameKind[kind])
    expect(whole.decoder.isBetweenFrames).toBe(true)
    for (let at = 1; at < frame.length; at++) {
      const split = new Collector()
      split.push(frame.subarray(0, at))
      expect(split.decoder.isBetweenFrames).toBe(false)
      split.push(frame.subarray(at))
      expect(split.frames).toEqual(whole.frames)
      expect(split.decoder.isBetweenFrames).toBe(true)
    }
  })

  test('a HELLO is read back, and more behind it is ignored', () => {
    const frame = Buffer.concat([examples[0]?.[1] ?? Buffer.alloc(0), Buffer.alloc(100, 1)])
    frame.writeUInt32LE(frame.length - 8, 0)
    const { frames } = new Collector()
    expect(frames).toEqual([])
    const collector = new Collector()
    collector.push(frame)
    const [{ aux, small } = { aux: 0, small: Buffer.alloc(0) }] = collector.frames
    expect(decodeHello(aux, small)).toEqual(hello)
  })

  test.each<[string, (body: Buffer) => void]>([
    ['another magic', (body) => body.writeUInt8(0, 3)],
    ['too small a body', (body) => body.writeUInt32LE(4095, 8)],
    ['no guarantee', (body) => body.writeUInt32LE(0, 12)],
    ['a window below the guarantee', (body) => body.writeUInt32LE(0x7fff, 16)],
    ['too large a window', (body) => body.writeUInt32LE(0x80000000, 16)],
    ['too many slots', (body) => body.writeUInt32LE(2 ** 20 + 1, 24)],
  ])('a HELLO with %s is refused', (_, change) => {
    const body = Buffer.from(examples[0]?.[1].subarray(headerLength) ?? '')
    change(body)
    expect(() => decodeHello(0x20001, body)).toThrow(corrupt)
  })

  test.each([0, 0x10000, 0x10002])('a HELLO of the versions %d is refused', (versions) => {
    const body = examples[0]?.[1].subarray(headerLength) ?? Buffer.alloc(0)
    expect(() => decodeHello(versions, body)).toThrow(corrupt)
  })

  test('a text is read back, and cut when it is too long, not in the middle of a character', () => {
    fc.assert(
      fc.property(u32, fc.string({ unit: 'grapheme', maxLength: 300 }), (number, text) => {
        for (const write of [
          (target: Uint8Array, at: number) => encodeReset(target, at, 1, 0, 2, number, text),
          (target: Uint8Array, at: number) => encodeGoaway(target, at, 2, number, text),
        ]) {
          const frame = encoded(write)
          expect(frame.length).toBeLessThanOrEqual(longestControlFrame)
          const read = decodeText(frame.subarray(headerLength))
          expect(read.number).toBe(number)
          expect(text.startsWith(read.text)).toBe(true)
          if (Buffer.byteLength(text) <= 256) expect(read.text).toBe(text)
          else expect(Buffer.byteLength(read.text)).toBeGreaterThan(252)
        }
      }),
      replayed(100),
    )
  })
})

describe('the decoder', () => {
  test('finds all frames, however they are cut, and hands out data as they come', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, cuts) => {
        const all = Buffer.concat(frames.map(bytesOf))
        const collector = new Collector()
        for (let at = 0, index = 0; at < all.length; index++) {
          const end = at + (cuts[index % cuts.length] ?? 1)
          collector.push(all.subarray(at, end))
          at = end
        }
        expect(collector.frames).toEqual(frames)
        expect(collector.decoder.isBetweenFrames).toBe(true)
      }),
      replayed(stress({ short: 500, full: 5000, long: 500_000 })),
    )
  })

  test('tells a header before its body is there', () => {
    const decoder = new FrameDecoder(largestBody)
    const target = Buffer.alloc(100)
    decoder.push(target.subarray(0, encodeData(target, 0, 1, 0, 2, 4096)))
    expect(decoder.next()).toBe(Found.header)
    expect(decoder.header.dataLength).toBe(4096)
    expect(decoder.next()).toBe(Found.nothing)
    expect(decoder.dataLeft).toBe(4096)
  })

  test('hands out a key as a whole, and an empty one too', () => {
    const key = Buffer.alloc(1024, 'k')
    const frame = encoded((target, at) =>
      encodeOpen(target, at, { stream: 0, key, bytes: 0, flags: 0, priority: 0, compression: 0 }),
    )
    const decoder = new FrameDecoder(largestBody)
    const found: Found[] = []
    for (const byte of frame) {
      decoder.push(Buffer.of(byte))
      for (let next; (next = decoder.next()) !== Found.nothing;) {
        found.push(next)
        if (next === Found.small) expect(key.equals(decoder.part)).toBe(true)
      }
    }
    expect(found).toEqual([Found.header, Found.small])
    const open = {
      stream: 0,
      key: key.subarray(0, 0),
      bytes: 0,
      flags: 0,
      priority: 0,
      compression: 0,
    }
    decoder.push(encoded((target, at) => encodeOpen(target, at, open)))
    expect([decoder.next(), decoder.next(), decoder.next()]).toEqual([
      Found.header,
      Found.small,
      Found.nothing,
    ])
  })

  test('counts neither key nor digest as data', () => {
    const header = new FrameHeader()
    const target = Buffer.alloc(100)
    encodeHeader(target, 0, FrameKind.open, mine | fin | digest, 1, 5, 5 + 7 + 32)
    header.read(target, 0, largestBody)
    expect([header.keyLength, header.dataLength]).toEqual([5, 7])
  })

  // kind, flags, stream, aux, length of the body
  test.each<[string, number, number, number, number, number]>([
    ['no kind', 0, 0, 0, 0, 0],
    ['an unknown kind', 11, 0, 0, 0, 0],
    ['bits above the flags', FrameKind.ping, 256, 0, 0, 0],
    ['a length below 8', FrameKind.data, 0, 0, 0, -1],
    ['the length 0', FrameKind.data, 0, 0, 0, -8],
    ['a HELLO that is too short', FrameKind.hello, 0, 0, 0, 35],
    ['a HELLO that is too long', FrameKind.hello, 0, 0, 0, 1009],
    ['a HELLO of a stream', FrameKind.hello, 0, 1, 0, 36],
    ['a HELLO with a flag', FrameKind.hello, mine, 0, 0, 36],
    ['an OPEN that is not its own', FrameKind.open, 0, 1, 0, 0],
    ['an OPEN with DONE', FrameKind.open, mine | done, 1, 0, 0],
    ['an OPEN with a key beyond its end', FrameKind.open, mine, 1, 9, 8],
    ['an OPEN with a key that is too long', FrameKind.open, mine, 1, 1025, 1025],
    ['an OPEN with an unknown compression', FrameKind.open, mine, 1, 3 << 24, 0],
    ['an OPEN with unknown bits', FrameKind.open, mine, 1, 1 << 31, 0],
    [
      'an OPEN with a digest that reaches into the key',
      FrameKind.open,
      mine | fin | digest,
      1,
      9,
      40,
    ],
    ['an OPEN beyond the largest body', FrameKind.open, mine, 1, 0, largestBody + 1],
    ['DATA beyond the largest body', FrameKind.data, 0, 1, 0, largestBody + 1],
    ['DATA of 4 GiB', FrameKind.data, 0, 1, 0, 0xffffffff - 8],
    ['DATA with TWO_WAY', FrameKind.data, twoWay, 1, 0, 0],
    ['DATA with a digest before the end', FrameKind.data, digest, 1, 0, 40],
    ['DATA with a digest that is cut', FrameKind.data, digest | fin, 1, 0, 31],
    ['a CREDIT with a body', FrameKind.credit, 0, 1, 0, 1],
    ['a CREDIT with FIN', FrameKind.credit, fin, 1, 0, 0],
    ['a RESET without an offset', FrameKind.reset, 0, 1, 0, 3],
    ['a RESET with a long text', FrameKind.reset, 0, 1, 0, 261],
    ['a RESET with FIN', FrameKind.reset, fin, 1, 0, 4],
    ['a STOP with a body', FrameKind.stop, 0, 1, 0, 1],
    ['a STOP with DONE', FrameKind.stop, done, 1, 0, 0],
    ['a PING with a body', FrameKind.ping, 0, 0, 0, 1],
    ['a PING of a stream', FrameKind.ping, 0, 1, 0, 0],
    ['a PONG with a flag', FrameKind.pong, mine, 0, 0, 0],
    ['a GOAWAY without a count', FrameKind.goaway, 0, 0, 0, 0],
    ['a GOAWAY with a long text', FrameKind.goaway, 0, 0, 0, 261],
    ['a BLOCKED with a body', FrameKind.blocked, 0, 1, 0, 1],
  ])('refuses %s by its header, and finds nothing more', (_, kind, flags, stream, aux, length) => {
    const target = Buffer.alloc(headerLength)
    encodeHeader(target, 0, kind, flags, stream, aux, length)
    const decoder = new FrameDecoder(largestBody)
    decoder.push(target)
    expect(() => decoder.next()).toThrow(corrupt)
    expect(() => decoder.next()).toThrow(corrupt)
  })

  test('takes any bytes, whole or changed, throws nothing else, and keeps a bounded part of them', () => {
    const changes = fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { maxLength: 4 })
    const garbage = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each))
    const input = fc.oneof(
      garbage,
      fc
        .tuple(fc.array(frame, { minLength: 1, maxLength: 6 }), changes)
        .map(([frames, changes]) => {
          const all = Buffer.concat(frames.map(bytesOf))
          for (const { at, to } of changes) all[at % all.length] = to
          return all
        }),
    )
    fc.assert(
      fc.property(input, fc.integer({ min: 1, max: 64 }), (all, step) => {
        const decoder = new FrameDecoder(largestBody)
        let bodyLeft = 0
        try {
          for (let at = 0; at < all.length; at += step) {
            decoder.push(all.subarray(at, at + step))
            for (let found; (found = decoder.next()) !== Found.nothing;) {
              if (found === Found.header) {
                expect(bodyLeft).toBe(0)
                bodyLeft = decoder.header.bodyLength
                expect(bodyLeft).toBeLessThanOrEqual(largestBody)
              } else {
                if (found === Found.small) readSmall(decoder)
                bodyLeft -= decoder.part.length
              }
              expect(bodyLeft).toBeGreaterThanOrEqual(0)
            }
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SLUICE_CORRUPT' })
        }
      }),
      replayed(stress({ short: 1000, full: 20_000, long: 2_000_000 })),
    )
  })

  test('does not hold a chunk that is used up', () => {
    const decoder = new FrameDecoder(largestBody)
    const target = Buffer.alloc(64)
    const end = encodeData(target, 0, 1, 0, 2, 100)
    decoder.push(target.subarray(0, end + 8))
    expect([decoder.next(), decoder.next()]).toEqual([Found.header, Found.data])
    expect(decoder.part.length).toBe(8)
    expect(decoder.next()).toBe(Found.nothing)
    expect(decoder.part.length).toBe(0)
  })

  test('wants a chunk to be used up before the next', () => {
    const decoder = new FrameDecoder(largestBody)
    decoder.push(Buffer.alloc(1))
    expect(() => {
      decoder.push(Buffer.alloc(1))
    }).toThrow(sluiceError('ERR_SLUICE_INTERNAL'))
  })
})
