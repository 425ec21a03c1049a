/** Connections of messages as message ports: by hand, and with the packages that speak over such. */
import { createBirpc } from 'birpc'
import * as comlink from 'comlink'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'

import {
  connect,
  framed,
  listen,
  messagePort,
  type ConnectionPort,
  type ConnectionPortEvent,
  type FramedOptions,
} from '../../lib/index.js'
import { addressOf, findPorts, schemes, type Scheme } from '../support/address_transports.js'
import { FakeConnection } from '../support/message_connections.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'
import { uncaughtExceptions } from '../support/uncaught.js'

const wrong = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')

await findPorts(4)

async function ports(
  scheme: Scheme = 'pipe:',
  options: FramedOptions & { codec: 'clone' | 'json' } = { codec: 'clone' },
): Promise<[ConnectionPort, ConnectionPort]> {
  const server = closedAfterTest(await listen(addressOf(scheme)))
  const [client, accepted] = await Promise.all([connect(server.address), server.accept()])
  return [
    closedAfterTest(messagePort(framed(client, options))),
    closedAfterTest(messagePort(framed(accepted, options))),
  ]
}

const arithmetic = {
  add: (a: number, b: number) => a + b,
  sizes: (map: Map<string, Uint8Array>) => new Map([...map].map(([k, v]) => [k, v.length])),
  fail: () => {
    throw new RangeError('not so')
  },
}

describe.each(schemes)('by %s', (scheme) => {
  test('comlink calls what is exposed at the other end', async () => {
    const [one, other] = await ports(scheme)
    comlink.expose(arithmetic, other)
    const remote = comlink.wrap<typeof arithmetic>(one)
    const calls = Array.from({ length: 100 }, (_, n) => remote.add(n, 1))
    expect(await Promise.all(calls)).toEqual(calls.map((_, n) => n + 1))
    expect(await remote.sizes(new Map([['a', new Uint8Array(3)]]))).toEqual(new Map([['a', 3]]))
    await expect(remote.fail()).rejects.toThrow('not so')
    remote[comlink.releaseProxy]()
  })

  test('birpc calls both ways', async () => {
    const [one, other] = await ports(scheme)
    const peer = (port: ConnectionPort, own: Partial<typeof arithmetic>) =>
      createBirpc<typeof arithmetic, Partial<typeof arithmetic>>(own, {
        post: (data) => {
          port.postMessage(data)
        },
        on: (listener) => port.on('message', listener),
        off: (listener) => port.off('message', listener),
      })
    const [atOne, atOther] = [peer(one, { add: () => -1 }), peer(other, arithmetic)]
    expect(await atOne.add(1, 2)).toBe(3)
    expect(await atOther.add(1, 2)).toBe(-1)
    await expect(atOne.fail()).rejects.toThrow('not so')
  })
})

describe('listeners', () => {
  test('of both kinds hear each message once, and no more when they are taken back', async () => {
    const [one, other] = await ports()
    const heard: unknown[] = []
    const ofNode = (message: unknown) => heard.push(['on', message])
    const ofDom = (event: ConnectionPortEvent) => heard.push([event.type, event.data])
    const asObject = {
      handleEvent: ({ target }: ConnectionPortEvent) => heard.push(target === other),
    }
    other.on('message', ofNode)
    for (const listener of [ofDom, ofDom, asObject]) other.addEventListener('message', listener)
    other.onmessage = ({ data }) => heard.push(['onmessage', data])
    one.postMessage('a')
    await once(other, 'message')
    expect(heard).toEqual([['on', 'a'], ['message', 'a'], true, ['onmessage', 'a']])
    other.off('message', ofNode)
    other.removeEventListener('message', ofDom)
    other.removeEventListener('message', ofDom)
    other.removeEventListener('message', asObject)
    other.onmessage = null
    expect(other.listenerCount('message')).toBe(0)
  })

  test('that come later get what has come meanwhile: nothing is read for nobody', async () => {
    const [one, other] = await ports()
    other.once('message', () => undefined)
    for (const message of [1, 2, 3]) one.postMessage(message)
    await once(other, 'message')
    await turn()
    const heard: unknown[] = []
    await new Promise<void>((resolve) => {
      other.on('message', (message) => {
        heard.push(message)
        if (message === 3) resolve()
      })
    })
    expect(heard).toEqual([2, 3])
  })

  test('that come after all others were taken back are served', async () => {
    const [one, other] = await ports()
    other.on('message', () => undefined)
    other.removeAllListeners()
    other.removeAllListeners('message')
    one.postMessage('a')
    expect(await once(other, 'message')).toEqual(['a'])
  })

  test('that throw keep nobody from the next message', async () => {
    const uncaught = uncaughtExceptions()
    const [one, other] = await ports()
    const error = new Error('of the listener')
    const heard: unknown[] = []
    other.on('message', (message) => {
      heard.push(message)
      throw error
    })
    one.postMessage(1)
    one.postMessage(2)
    await eventually(() => heard.length === 2)
    expect(heard).toEqual([1, 2])
    expect(uncaught).toEqual([error, error])
  })
})

describe('the end', () => {
  test.each(['itself', 'its peer'])('is told once when %s closes the port', async (who) => {
    const [one, other] = await ports()
    const ends: unknown[] = []
    one.on('close', (error) => ends.push(error))
    one.on('message', () => undefined)
    await turn()
    const closing = who === 'itself' ? one : other
    closing.close()
    closing.close()
    await once(one, 'close')
    await turn()
    expect(ends).toEqual([undefined])
    expect(() => {
      one.postMessage(1)
    }).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
  })

  test('comes with the error that the connection was lost with', async () => {
    const fake = new FakeConnection()
    const port = messagePort(fake)
    const closed = once(port, 'close')
    fake.fail(new Error('lost'))
    expect(await closed).toEqual([new Error('lost')])
  })
})

describe('what cannot be sent or read', () => {
  test('a message that cannot be encoded is refused at once', async () => {
    const [one] = await ports()
    expect(() => {
      one.postMessage(() => 1)
    }).toThrow(wrong)
  })

  test('one that cannot be decoded is told, and the next one comes', async () => {
    const server = closedAfterTest(await listen(addressOf('pipe:')))
    const [client, accepted] = await Promise.all([connect(server.address), server.accept()])
    const raw = closedAfterTest(framed(client))
    const port = closedAfterTest(messagePort(framed(accepted, { codec: 'json' })))
    const told: unknown[] = []
    port.on('messageerror', (error) => told.push(error))
    await raw.sendMany([Buffer.from('{'), Buffer.from('5')])
    expect(await once(port, 'message')).toEqual([5])
    expect(told).toEqual([sluiceError('ERR_SLUICE_MESSAGE_INVALID')])
  })

  test('a message that is too long is told, and the port goes on', async () => {
    const [one, other] = await ports('pipe:', { codec: 'json', maxLength: 100 })
    const told = once(one, 'messageerror')
    one.postMessage('x'.repeat(101))
    one.postMessage('y')
    expect(await once(other, 'message')).toEqual(['y'])
    expect(await told).toEqual([sluiceError('ERR_SLUICE_MESSAGE_TOO_LONG')])
  })

  test('more than may wait are refused, until the system has taken them', () => {
    const fake = new FakeConnection()
    fake.holds = true
    const port = messagePort(fake, { maxQueuedMessages: 2 })
    const post = () => {
      port.postMessage('x')
    }
    post()
    post()
    expect(post).toThrow(sluiceError('ERR_SLUICE_QUEUE_FULL'))
    fake.accept()
    return turn().then(post)
  })

  test.each([
    ['nothing', [undefined]],
    ['things to transfer', ['x', [new ArrayBuffer(8)]]],
    ['things to transfer, as options', ['x', { transfer: [new ArrayBuffer(8)] }]],
  ])('%s', (_, post) => {
    const port = messagePort(new FakeConnection())
    expect(() => {
      port.postMessage(...(post as [never]))
    }).toThrow(wrong)
  })

  test.each([
    ['no connection', [undefined], 'connection must be an object'],
    ['half of one', [{ send: () => undefined }], 'connection.closed'],
    ['an unknown option', [new FakeConnection(), { most: 5 }], 'options.most'],
    ['no messages', [new FakeConnection(), { maxQueuedMessages: 0 }], 'maxQueuedMessages'],
  ])('%s is no port', (_, given, message) => {
    const make = () => messagePort(...(given as [FakeConnection]))
    expect(make).toThrow(wrong)
    expect(make).toThrow(message)
  })

  test('no listener', () => {
    const port = messagePort(new FakeConnection())
    expect(() => {
      port.addEventListener('message', {} as never)
    }).toThrow(wrong)
  })
})
