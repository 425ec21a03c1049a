import { expect, test } from 'vitest'

import { SharedMemory } from '../../lib/index.js'
import { unixOnly } from '../support/platform.js'
import {
  collectGarbage,
  eventually,
  openDescriptors,
  sharedMappings,
} from '../support/resources.js'
import { sluiceError } from '../support/rings.js'
import { caughtWarnings, nextWarning } from '../support/warnings.js'

async function nothingIsMapped(): Promise<void> {
  await eventually(
    () => sharedMappings().length === 0,
    () => sharedMappings().join('\n'),
  )
}

test('close detaches the buffer: its views are empty, and nothing faults', () => {
  const memory = SharedMemory.anonymous({ size: 4096 })
  const { buffer } = memory
  const bytes = new Uint8Array(buffer)
  const view = new DataView(buffer)
  memory.close()
  expect([buffer.byteLength, bytes.length, bytes[0]]).toEqual([0, 0, undefined])
  bytes[0] = 1
  expect(bytes[0]).toBeUndefined()
  expect(() => view.getInt8(0)).toThrow(TypeError)
})

unixOnly('mappings are listed in /proc')(
  'close unmaps the memory and closes the descriptor',
  async () => {
    await nothingIsMapped()
    const before = openDescriptors()
    // In a function of its own: a suspended one keeps alive what it has touched.
    ;(() => {
      const memory = SharedMemory.anonymous({ size: 4096 })
      new Uint8Array(memory.buffer)[0] = 1
      expect(sharedMappings()).toHaveLength(1)
      memory.close()
      expect(openDescriptors()).toEqual(before)
    })()
    await nothingIsMapped()
  },
)

unixOnly('there are no descriptors on Windows')(
  'close may be called twice; every other call then says that it is closed',
  () => {
    const memory = SharedMemory.anonymous({ size: 1 })
    memory.close()
    memory.close()
    const closed = sluiceError('ERR_SLUICE_CLOSED')
    expect(() => memory.buffer).toThrow(closed)
    expect(() => memory.sharedBuffer).toThrow(closed)
    expect(() => memory.fd).toThrow(closed)
    expect(memory.size).toBe(1)
  },
)

test('Symbol.dispose closes', () => {
  const memory = SharedMemory.anonymous({ size: 1 })
  memory[Symbol.dispose]()
  expect(() => memory.buffer).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
})

unixOnly('mappings are listed in /proc')(
  'what nothing reaches is unmapped, with a warning that it was not closed',
  async () => {
    await nothingIsMapped()
    const warned = nextWarning()
    ;(() => {
      const memory = SharedMemory.anonymous({ size: 4096 })
      new Uint8Array(memory.buffer)[0] = 1
      expect(sharedMappings()).toHaveLength(1)
    })()
    await nothingIsMapped()
    const warning = await warned
    expect(warning).toMatchObject({ name: 'SluiceWarning', code: 'SLUICE_FORGOTTEN' })
    expect(warning.message).toMatch(/SharedMemory was garbage-collected without close/)
  },
)

unixOnly('mappings are listed in /proc')(
  'while a view is reachable the memory stays, though its object was dropped',
  async () => {
    await nothingIsMapped()
    let words: Int32Array | undefined = (() =>
      new Int32Array(SharedMemory.anonymous({ size: 4096 }).buffer))()
    const descriptors = openDescriptors()
    let turns = 0
    await eventually(() => ++turns > 20)
    collectGarbage()
    words[0] = 42
    expect(words[0]).toBe(42)
    expect(sharedMappings()).toHaveLength(1)
    expect(openDescriptors()).toEqual(descriptors)
    const warned = nextWarning()
    words = undefined
    await nothingIsMapped()
    expect((await warned).code).toBe('SLUICE_FORGOTTEN')
  },
)

unixOnly('mappings are listed in /proc')('what was closed is not warned about', async () => {
  const warnings = caughtWarnings()
  for (let i = 0; i < 100; i++) SharedMemory.anonymous({ size: 1 }).close()
  let turns = 0
  await eventually(() => ++turns > 20)
  expect(warnings).toEqual([])
})

test('thousands may come and go without waiting for the garbage collector', () => {
  const before = openDescriptors()
  for (let i = 0; i < 2000; i++) {
    const memory = SharedMemory.anonymous({ size: 4096 })
    new Uint8Array(memory.buffer)[0] = 1
    memory.close()
  }
  expect(openDescriptors()).toEqual(before)
})
