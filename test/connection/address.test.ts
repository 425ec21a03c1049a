/** Addresses: what is taken, what is not, and what a mistake is told. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { formatAddress, parseAddress, type Address } from '../../lib/index.js'
import { sluiceError } from '../support/rings.js'

const good: [string, Address][] = [
  ['unix:/run/app.sock', { transport: 'unix', path: '/run/app.sock' }],
  ['unix:app.sock', { transport: 'unix', path: 'app.sock' }],
  ['unix:/a:b@c', { transport: 'unix', path: '/a:b@c' }],
  ['unix:@app', { transport: 'unix', abstractName: 'app' }],
  ['unix:@/a/b', { transport: 'unix', abstractName: '/a/b' }],
  ['pipe:app', { transport: 'pipe', name: 'app' }],
  ['pipe:app:1', { transport: 'pipe', name: 'app:1' }],
  ['shm:prices', { transport: 'shm', name: 'prices' }],
  ['tcp:127.0.0.1:8080', { transport: 'tcp', host: '127.0.0.1', port: 8080 }],
  ['tcp:localhost:0', { transport: 'tcp', host: 'localhost', port: 0 }],
  ['tcp:[::1]:65535', { transport: 'tcp', host: '::1', port: 65535 }],
  ['tcp:[fe80::1%eth0]:1', { transport: 'tcp', host: 'fe80::1%eth0', port: 1 }],
]

test.each(good)('%s has its parts, and they give it again', (text, address) => {
  expect(parseAddress(text)).toEqual(address)
  expect(formatAddress(address)).toBe(text)
})

/** Each mistake, and a part of what it is told. */
const bad: [string, string][] = [
  ['', "'tcp:host:port'"],
  ['/run/app.sock', "perhaps 'unix:/run/app.sock'"],
  ['./app.sock', "perhaps 'unix:./app.sock'"],
  ['run/app.sock', "perhaps 'unix:run/app.sock'"],
  ['@app', "perhaps 'unix:@app'"],
  ['app', "perhaps 'pipe:app'"],
  ['C:\\app.sock', "perhaps 'pipe:name'"],
  ['\\\\.\\pipe\\app', "perhaps 'pipe:app'"],
  ['//./pipe/app', "perhaps 'pipe:app'"],
  ['ftp:x', "the scheme 'ftp' is unknown"],
  ['UNIX:/x', "perhaps 'unix:/x'"],
  ['http://localhost/x', "perhaps 'tcp:localhost:80'"],
  ['https://example.org', "perhaps 'tcp:example.org:443'"],
  ['ws://[::1]:8080/chat', "perhaps 'tcp:[::1]:8080'"],
  ['localhost:8080', "perhaps 'tcp:localhost:8080'"],
  ['::1', "perhaps 'tcp:[::1]:8080'"],
  ['[::1]:80', "perhaps 'tcp:[::1]:80'"],
  ['unix:', "perhaps 'unix:/path'"],
  ['unix:@', "perhaps 'unix:@name'"],
  ['unix:///run/app.sock', "perhaps 'unix:/run/app.sock'"],
  ['unix://app.sock', "perhaps 'unix:/app.sock'"],
  ['unix:/a\0b', 'without a NUL'],
  [`unix:/${'x'.repeat(107)}`, 'at most 10'],
  [`unix:@${'ä'.repeat(54)}`, 'at most 107 bytes; it has 108'],
  ['pipe:', "perhaps 'pipe:name'"],
  ['pipe:\\\\.\\pipe\\app', "perhaps 'pipe:app'"],
  ['pipe://app', "perhaps 'pipe:app'"],
  ['pipe:a/b', "perhaps 'pipe:a-b'"],
  ['pipe:..', 'other than . and ..'],
  [`pipe:${'x'.repeat(248)}`, 'at most 247 bytes'],
  ['shm:', "perhaps 'shm:name'"],
  ['shm:/prices', "perhaps 'shm:prices'"],
  ['tcp:', 'with a port'],
  ['tcp:8080', "perhaps 'tcp:127.0.0.1:8080'"],
  ['tcp:localhost', "perhaps 'tcp:localhost:8080'"],
  ['tcp:localhost:', "perhaps 'tcp:localhost:8080'"],
  ['tcp://localhost:80/x', "perhaps 'tcp:localhost:80'"],
  ['tcp::8080', "perhaps 'tcp:127.0.0.1:8080'"],
  ['tcp:*:8080', "for all 'tcp:0.0.0.0:8080'"],
  ['tcp:localhost:65536', 'from 0 to 65535'],
  ['tcp:localhost:080', 'from 0 to 65535'],
  ['tcp:localhost:-1', 'from 0 to 65535'],
  ['tcp:localhost:http', 'from 0 to 65535'],
  ['tcp:::1:8080', "perhaps 'tcp:[::1]:8080'"],
  ['tcp:::1', 'in brackets'],
  ['tcp:[::1]', "perhaps 'tcp:[::1]:8080'"],
  ['tcp:[::1', 'address'],
  ['tcp:[localhost]:80', "perhaps 'tcp:localhost:80'"],
  ['tcp:300.0.0.1:80', 'each 0 to 255'],
  ['tcp:a b:80', 'letters, digits'],
  ['tcp:user@host:80', 'letters, digits'],
]

test.each(bad)('%j is told what was expected', (text, part) => {
  expect(() => parseAddress(text)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  expect(() => parseAddress(text)).toThrow(part)
})

test.each([undefined, null, 1, {}, '\ud800'])('%j is no address', (value) => {
  expect(() => parseAddress(value as string)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
})

test.each([
  { transport: 'unix', path: '@x' },
  { transport: 'unix', path: '' },
  { transport: 'pipe', name: 'a/b' },
  { transport: 'tcp', host: 'localhost', port: 1.5 },
  { transport: 'tcp', host: '::1]:80', port: 1 },
  { transport: 'udp', host: 'localhost', port: 1 },
  { transport: 'unix' },
  null,
])('%j are no parts of an address', (parts) => {
  expect(() => formatAddress(parts as Address)).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
})

describe('any address', () => {
  const text = (most: number) => fc.string({ unit: 'grapheme', minLength: 1, maxLength: most })
  const addresses: fc.Arbitrary<Address> = fc.oneof(
    text(30).map((path): Address => ({ transport: 'unix', path })),
    text(30).map((abstractName): Address => ({ transport: 'unix', abstractName })),
    text(60).map((name): Address => ({ transport: 'pipe', name })),
    text(60).map((name): Address => ({ transport: 'shm', name })),
    fc.record({
      transport: fc.constant('tcp' as const),
      host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain(), text(20)),
      port: fc.nat(65535),
    }),
  )

  test('that can be written is parsed to the same parts', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        let written: string
        try {
          written = formatAddress(address)
        } catch (error) {
          expect(error).toEqual(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
          return
        }
        expect(parseAddress(written)).toEqual(address)
      }),
    )
  })

  test('text that is parsed is written as the same text', () => {
    const schemes = fc.constantFrom('unix:', 'unix:@', 'pipe:', 'shm:', 'tcp:', 'tcp:[', '')
    const texts = fc
      .tuple(schemes, fc.oneof(text(40), fc.webAuthority({ withPort: true }), fc.ipV6()))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(texts, (text) => {
        let address: Address
        try {
          address = parseAddress(text)
        } catch (error) {
          expect(error).toEqual(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
          return
        }
        expect(formatAddress(address)).toBe(text)
      }),
    )
  })
})
