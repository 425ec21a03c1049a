/** The layout stands in ring_format.hpp and docs/ring-format.md; lib/ring/layout.ts says the same. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

import { State, stateSize } from '../../lib/ring/endpoint_state.js'
import * as layout from '../../lib/ring/layout.js'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const header = read('native/include/sluice/ring_format.hpp')
const endpoint = read('native/include/sluice/detail/ring_endpoint.hpp')
const document = read('docs/ring-format.md')

function constant(name: string): number {
  const text = new RegExp(`\\b${name} = ([^;]+);`).exec(header)?.[1] ?? ''
  const shifted = /^1u << (\d+)$/.exec(text)
  return shifted ? 2 ** Number(shifted[1]) : Number(text.replace(/u$/, ''))
}

function offset(of: 'RingHeader' | 'RingSide', member: string): number {
  const assertion = new RegExp(`offsetof\\(${of}, ${member}\\) == (\\d+)`)
  return Number(assertion.exec(header)?.[1])
}

test('the constants are those of ring_format.hpp', () => {
  expect(layout.magic.split('')).toEqual(
    [...(/kRingMagic\[8\] = \{([^}]+)\}/.exec(header)?.[1] ?? '').matchAll(/'(.)'/g)].map(
      (m) => m[1],
    ),
  )
  expect(layout.versionMajor).toBe(constant('kRingVersionMajor'))
  expect(layout.headerSize).toBe(constant('kRingHeaderSize'))
  expect(layout.minimumCapacity).toBe(constant('kRingMinCapacity'))
  expect(layout.maximumCapacity).toBe(constant('kRingMaxCapacity'))
  expect(layout.recordHeaderSize).toBe(constant('kRecordHeaderSize'))
  expect(layout.paddingType).toBe(constant('kPaddingType'))
  expect(layout.committed >>> 0).toBe(constant('kCommitted'))
  expect(layout.fenceWanted >>> 0).toBe(constant('kFenceWanted'))
})

test('the words are where ring_format.hpp has its members', () => {
  const producer = offset('RingHeader', 'producer')
  const consumer = offset('RingHeader', 'consumer')
  expect({
    version: layout.versionWord * 4,
    headerSize: layout.headerSizeWord * 4,
    capacity: layout.capacityWord * 4,
    tail: layout.tailWord * 4,
    producerMessages: layout.producerMessagesWord * 4,
    producerStreams: layout.producerStreamsWord * 4,
    head: layout.headWord * 4,
    consumerMessages: layout.consumerMessagesWord * 4,
    consumerStreams: layout.consumerStreamsWord * 4,
    consumerParked: layout.consumerParkedWord * 4,
    producerParked: layout.producerParkedWord * 4,
    sides: [layout.producerSide * 4, layout.consumerSide * 4],
    ofASide: [layout.sideMessages * 4, layout.sideState * 4, layout.sidePid * 4],
  }).toEqual({
    version: offset('RingHeader', 'version'),
    headerSize: offset('RingHeader', 'header_size'),
    capacity: offset('RingHeader', 'capacity'),
    tail: producer,
    producerMessages: producer + offset('RingSide', 'messages'),
    producerStreams: producer + offset('RingSide', 'streams'),
    head: consumer,
    consumerMessages: consumer + offset('RingSide', 'messages'),
    consumerStreams: consumer + offset('RingSide', 'streams'),
    consumerParked: offset('RingHeader', 'consumer_parked'),
    producerParked: offset('RingHeader', 'producer_parked'),
    sides: [producer, consumer],
    ofASide: ['messages', 'state', 'pid'].map((member) => offset('RingSide', member)),
  })
})

test('the private state has the words of EndpointState', () => {
  const members = /struct EndpointState \{([\s\S]*?)static constexpr/.exec(endpoint)?.[1] ?? ''
  const names = [...members.matchAll(/^ {2}\w+ (\w+) = /gm)].map(([, name]) =>
    name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
  )
  expect(Object.keys(State).filter((name) => !/^\d/.test(name))).toEqual(names)
  expect(/sizeof\(EndpointState\) == (\d+)/.exec(endpoint)?.[1]).toBe(String(stateSize))
})

test('the document says the same offsets and the same longest message', () => {
  const rows = [...document.matchAll(/^\| +(\d+) +\|[^|]*\| `(\w+)`/gm)]
  const offsets = Object.fromEntries(rows.map(([, at, name]) => [name, Number(at)]))
  expect(offsets).toMatchObject({
    version: layout.versionWord * 4,
    header_size: layout.headerSizeWord * 4,
    capacity: layout.capacityWord * 4,
    tail: layout.tailWord * 4,
    head: layout.headWord * 4,
    consumer_parked: layout.consumerParkedWord * 4,
    producer_parked: layout.producerParkedWord * 4,
  })
  expect(document).toMatch(/version 2\.0/)
  expect(document).toMatch(/`capacity \/ 2 - 16`/)
  expect(layout.maxMessageLength(4096)).toBe(4096 / 2 - 16)
})
