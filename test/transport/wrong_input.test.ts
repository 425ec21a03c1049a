/** The constructors for makers of transports check all that they are given. */
import { describe, expect, test } from 'vitest'

import {
  Connection,
  Server,
  type Acceptor,
  type ConnectionOptions,
  type ServerOptions,
  type Transport,
} from '../../lib/index.js'
import { idleAcceptor } from '../support/idle_acceptor.js'
import { sluiceError } from '../support/rings.js'
import { revoked } from '../support/wrong_values.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

const idleTransport: Transport = {
  keepsBoundaries: false,
  bytesRead: 0,
  bytesWritten: 0,
  peer: { user: 0, sameUser: true },
  cargo: undefined,
  ref: true,
  attach: () => undefined,
  read: () => undefined,
  pause: () => undefined,
  awaitEnd: () => undefined,
  write: () => undefined,
  interruptWrite: () => false,
  endWriting: () => undefined,
  close: () => undefined,
}

const cargo: Transport['cargo'] = {
  name: 'things',
  check: () => undefined,
  keep: () => ({ settled: () => undefined }),
  message: (data) => ({ data }),
}

const noObjects: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 1],
  ['a string', 'x'],
  ['an empty object', {}],
  ['a revoked proxy', revoked({})],
]
const noOptions: [string, unknown][] = [
  ['null', null],
  ['a number', 1],
  ['an array', []],
  ['an unknown name', { misspelt: 1 }],
  ['a revoked proxy', revoked({})],
]

const connect = (transport: unknown, options?: unknown) =>
  new Connection(transport as Transport, options as ConnectionOptions)
const serve = (acceptor: unknown, options?: unknown) =>
  new Server(acceptor as Acceptor<Connection>, options as ServerOptions)

/** The object with one member replaced by a getter that throws. */
function throwing(object: object, key: string): object {
  return Object.defineProperty({ ...object }, key, {
    get() {
      throw new Error('mine')
    },
  })
}

describe('a connection over a transport of your own', () => {
  test('takes one that is complete, whose members may be inherited', () => {
    connect(idleTransport).destroy()
    connect({ ...idleTransport, cargo }, { endTimeout: 5, allowHalfOpen: true }).destroy()
    connect(Object.create(idleTransport)).destroy()
  })

  test.each(noObjects)('is not made of: %s', (_, transport) => {
    expect(() => connect(transport)).toThrow(wrong)
  })

  test.each(Object.keys(idleTransport).filter((key) => key !== 'cargo'))('needs its %s', (key) => {
    for (const member of [undefined, null, 'x']) {
      expect(() => connect({ ...idleTransport, [key]: member })).toThrow(wrong)
    }
    const unreadable = throwing(idleTransport, key)
    expect(() => connect(unreadable)).toThrow(`transport.${key} cannot be read`)
  })

  test.each(Object.keys(cargo))('needs the %s of its cargo', (key) => {
    expect(() => connect({ ...idleTransport, cargo: { ...cargo, [key]: 1 } })).toThrow(
      `transport.cargo.${key} must be`,
    )
  })

  test('takes no cargo that is none', () => {
    for (const none of [null, 1, {}]) {
      expect(() => connect({ ...idleTransport, cargo: none })).toThrow(wrong)
    }
    expect(() => connect(throwing(idleTransport, 'cargo'))).toThrow(wrong)
  })

  test.each<[string, unknown]>([
    ...noOptions,
    ['an endTimeout that is no number', { endTimeout: 'x' }],
    ['a negative endTimeout', { endTimeout: -1 }],
    ['an endTimeout that no timer takes', { endTimeout: 2 ** 31 }],
    ['an allowHalfOpen that is no boolean', { allowHalfOpen: 1 }],
    ['a negative highWaterMark', { highWaterMark: -1 }],
  ])('refuses options: %s', (_, options) => {
    expect(() => connect(idleTransport, options)).toThrow(wrong)
  })
})

describe('a server with an acceptor of your own', () => {
  test.each(noObjects)('is not made of: %s', (_, acceptor) => {
    expect(() => serve(acceptor)).toThrow(wrong)
  })

  test.each(Object.keys(idleAcceptor))('needs its %s', (key) => {
    for (const member of [undefined, null, 'x']) {
      expect(() => serve({ ...idleAcceptor, [key]: member })).toThrow(wrong)
    }
    const unreadable = throwing(idleAcceptor, key)
    expect(() => serve(unreadable)).toThrow(`acceptor.${key} cannot be read`)
  })

  test.each<[string, unknown]>([
    ...noOptions,
    ['no connections at all', { maxConnections: 0 }],
    ['a signal that is none', { signal: {} }],
    ['an authorize that is no function', { authorize: 1 }],
  ])('refuses options: %s', (_, options) => {
    expect(() => serve(idleAcceptor, options)).toThrow(wrong)
  })
})
