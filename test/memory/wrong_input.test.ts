import { describe, expect, test } from 'vitest'

import { SharedMemory } from '../../lib/index.js'
import { onWindows, unixOnly } from '../support/platform.js'
import { sluiceError, uniqueName } from '../support/rings.js'

// The types forbid most of what follows: this is what a JavaScript user may pass.
const untyped = SharedMemory as unknown as Record<
  'create' | 'open' | 'anonymous' | 'fromFd' | 'mapFile' | 'unlink',
  (...args: unknown[]) => SharedMemory
>

function refused(call: () => unknown, naming: RegExp): void {
  expect(call).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  expect(call).toThrow(naming)
}

describe.each(['create', 'open', 'unlink'] as const)('the name given to %s', (method) => {
  const call = (name: unknown) => () =>
    method === 'create' ? untyped.create(name, { size: 1 }) : untyped[method](name)

  test.each([
    ['empty', '', /empty/],
    ['only a slash', '/', /empty/],
    ['with a slash inside', '/a/b', /slash/],
    ['with two leading slashes', '//a', /slash/],
    ['with a trailing slash', '/a/', /slash/],
    ['with a NUL', '/a\0b', /NUL/],
    ['a dot', '/.', /directory/],
    ['two dots', '..', /directory/],
    ['too long', `/${'a'.repeat(255)}`, /too long/],
    ['too long in bytes', `/${'é'.repeat(128)}`, /too long/],
  ])('must not be %s', (_, name, naming) => {
    refused(call(name), naming)
  })

  test.each([undefined, null, 7, {}, Buffer.from('/a')])('must be a string, not %s', (name) => {
    refused(call(name), /name must be a string; received/)
  })
})

unixOnly('a section loses its name with its last handle only')(
  'the longest name is accepted',
  () => {
    const name = uniqueName().padEnd(255, 'x')
    SharedMemory.create(name, { size: 1 }).close()
    SharedMemory.unlink(name)
  },
)

describe('create', () => {
  test.each([0, -1, 1.5, NaN, Infinity, 2 ** 53, '1', null, undefined, 1n])(
    'refuses the size %s',
    (size) => {
      refused(() => untyped.create('/never', { size }), /options\.size must be/)
      refused(() => untyped.anonymous({ size }), /options\.size must be/)
    },
  )

  test.each([-1, 0o1000, 1.5, NaN, '600', null])('refuses the mode %s', (mode) => {
    refused(() => untyped.create('/never', { size: 1, mode }), /mode must be/)
  })

  test.each([1, 'yes', null])('refuses the flag %s', (exclusive) => {
    refused(() => untyped.create('/never', { size: 1, exclusive }), /options\.exclusive must be/)
  })

  test.each([undefined, null, 5, 'x', []])('refuses %s for its options', (options) => {
    refused(() => untyped.create('/never', options), /options/)
    refused(() => untyped.anonymous(options), /options/)
  })
})

test('unknown options are errors, not ignored', () => {
  refused(
    () => untyped.create('/never', { size: 1, exclusiv: true }),
    /options\.exclusiv is unknown/,
  )
  refused(() => untyped.open('/never', { readonly: true }), /options\.readonly is unknown/)
  refused(() => untyped.anonymous({ size: 1, seals: true }), /options\.seals is unknown/)
  if (!onWindows) refused(() => untyped.fromFd(0, { seal: true }), /options\.seal is unknown/)
  refused(() => untyped.mapFile('/x', { size: 1 }), /options\.size is unknown/)
})

test('an error leaves no object behind', () => {
  expect(() => untyped.create('/never', { size: 0 })).toThrow()
  expect(() => SharedMemory.open('/never')).toThrow(sluiceError('ENOENT'))
})

unixOnly('there are no descriptors on Windows').each([-1, 1.5, NaN, '3', null, undefined, 2 ** 31])(
  'fromFd refuses %s',
  (fd) => {
    refused(() => untyped.fromFd(fd), /fd must be/)
  },
)

test('open refuses what is no owner', () => {
  for (const owner of [-1, 1.5, 'root', null, 2 ** 32]) {
    refused(() => untyped.open('/never', { owner }), /owner must be/)
  }
})

test('mapFile refuses what is no range', () => {
  refused(() => untyped.mapFile(7), /path must be a string/)
  refused(() => untyped.mapFile('/x', { offset: -1 }), /options\.offset must be/)
  refused(() => untyped.mapFile('/x', { length: 0 }), /options\.length must be/)
  refused(() => untyped.mapFile('/x', { length: '5' }), /options\.length must be/)
  refused(() => untyped.mapFile('/x', { populate: 1 }), /options\.populate must be/)
  refused(() => untyped.mapFile('/x', { readOnly: 1 }), /options\.readOnly must be/)
})
