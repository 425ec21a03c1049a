import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { openDescriptors, noMoreDescriptorsThan } from '../../support/resources.js'
import {
  closeOf,
  pairOf,
  recorded,
  sideBySide,
  textOf,
  type Connection,
} from '../../support/side_by_side.js'

type Enter = (one: Connection, other: Connection) => unknown

const states: Record<string, Enter> = {
  'before anything': () => undefined,
  'while it flows': (one, other) => {
    one.resume()
    other.write('x')
  },
  'while it is paused with data': async (one, other) => {
    other.write('x')
    await once(one, 'readable')
  },
  'while a write waits': (one) => {
    for (let i = 0; i < 64; i++) one.write(Buffer.alloc(65_536))
  },
  'while corked': (one) => {
    one.cork()
    one.write('x')
  },
  'with a drain to come': (one) => {
    while (one.write(Buffer.alloc(65_536)));
  },
  'while ending': (one) => {
    one.write(Buffer.alloc(2 ** 21))
    one.end()
  },
  'between end and finish': (one) => one.end('x'),
  'after finish': async (one, other) => {
    other.resume()
    one.end()
    await once(one, 'finish')
  },
  "after the peer's end": async (one, other) => {
    one.resume()
    other.end()
    await once(one, 'end')
  },
  'in the data event': async (one, other) => {
    other.write('x')
    await new Promise<void>((resolve) =>
      one.once('data', () => {
        one.destroy()
        resolve()
      }),
    )
  },
  'in the end event': async (one, other) => {
    one.resume()
    other.end()
    await new Promise<void>((resolve) =>
      one.once('end', () => {
        one.destroy()
        resolve()
      }),
    )
  },
  'in the finish event': async (one, other) => {
    other.resume()
    one.end()
    await new Promise<void>((resolve) =>
      one.once('finish', () => {
        one.destroy()
        resolve()
      }),
    )
  },
  'in the callback of a write': (one) =>
    new Promise<void>((resolve) =>
      one.write('x', () => {
        one.destroy()
        resolve()
      }),
    ),
  'in the drain event': async (one, other) => {
    while (one.write(Buffer.alloc(65_536)));
    other.resume()
    await new Promise<void>((resolve) =>
      one.once('drain', () => {
        one.destroy()
        resolve()
      }),
    )
  },
  'in the timeout event': (one) =>
    new Promise<void>((resolve) =>
      one.setTimeout(1, () => {
        one.destroy()
        resolve()
      }),
    ),
  'while it is piped away': (one, other) => {
    one.pipe(new PassThrough())
    other.write('x')
  },
  'while something is piped in': (one) => {
    const source = new PassThrough()
    source.pipe(one)
    source.write('x')
  },
  'after the peer was destroyed': async (_, other) => {
    other.destroy()
    await closeOf(other)
  },
  'while unreferenced': (one) => one.unref(),
}

sideBySide('destroy', (implementation) => {
  test.each(Object.entries(states))('%s: one close, no error, no descriptor', async (_, enter) => {
    const before = openDescriptors()
    const [client, accepted] = await pairOf(implementation, { allowHalfOpen: true })
    accepted.on('error', () => undefined)
    const events = recorded(client, ['error', 'close'])
    await enter(client, accepted)
    client.destroy()
    client.destroy()
    await closeOf(client)
    await turn()
    expect(events).toEqual(['close'])
    expect([client.destroyed, client.writable, client.readable]).toEqual([true, false, false])
    accepted.destroy()
    await closeOf(accepted)
    await noMoreDescriptorsThan(before)
  })

  test('no data event comes after it', async () => {
    const [client, accepted] = await pairOf(implementation)
    let after = 0
    client.on('data', () => {
      if (client.destroyed) after++
      client.destroy()
    })
    for (let i = 0; i < 100; i++) accepted.write(Buffer.alloc(1000))
    accepted.on('error', () => undefined)
    await closeOf(client)
    await turn()
    expect(after).toBe(0)
  })

  test('the callbacks of writes that wait are told, in order', async () => {
    const [client] = await pairOf(implementation)
    client.on('error', () => undefined)
    const told: unknown[] = []
    for (let i = 0; i < 10; i++) client.write(Buffer.alloc(2 ** 20), (error) => told.push(error))
    client.destroy()
    await closeOf(client)
    await turn()
    expect(told).toHaveLength(10)
    expect(told.slice(1).every((error) => error instanceof Error)).toBe(true)
  })

  test('only the first error is emitted', async () => {
    const [client] = await pairOf(implementation)
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    const first = new Error('first')
    client.destroy(first)
    client.destroy(new Error('second'))
    await closeOf(client)
    await turn()
    expect(errors).toEqual([first])
  })

  test('an error after a plain destroy is not emitted', async () => {
    const [client] = await pairOf(implementation)
    const errors: unknown[] = []
    client.on('error', (error) => errors.push(error))
    client.destroy()
    client.destroy(new Error('too late'))
    await closeOf(client)
    await turn()
    expect(errors).toEqual([])
  })

  test('methods after close do not throw', async () => {
    const [client] = await pairOf(implementation)
    client.destroy()
    await closeOf(client)
    client.on('error', () => undefined)
    client.pause()
    client.resume()
    client.ref()
    client.unref()
    client.setTimeout(10)
    client.setTimeout(0)
    client.setEncoding('utf8')
    client.cork()
    client.uncork()
    expect(client.read()).toBeNull()
    expect(client.bytesRead).toBe(0)
    expect(client.bytesWritten).toBe(0)
  })

  test('for await stops without an error when it is destroyed by its own loop', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.on('error', () => undefined)
    accepted.write('x')
    for await (const chunk of client) {
      expect(String(chunk)).toBe('x')
      break
    }
    expect(client.destroyed).toBe(true)
  })

  test('for await throws when it is destroyed by another: a premature close', async () => {
    const [client, accepted] = await pairOf(implementation)
    accepted.write('x')
    const reading = (async () => {
      for await (const chunk of client) {
        expect(String(chunk)).toBe('x')
        setImmediate(() => client.destroy())
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
  })

  test('Symbol.asyncDispose destroys', async () => {
    const [client] = await pairOf(implementation)
    // A stream that is not at its end is given up by an AbortError, which finds no listener.
    client.on('error', (error) => {
      expect(error.name).toBe('AbortError')
    })
    await client[Symbol.asyncDispose]().catch((error: unknown) => {
      expect(error).toMatchObject({ name: 'AbortError' })
    })
    expect(client.destroyed).toBe(true)
    await closeOf(client)
  })

  test('destroySoon lets the writes go first', async () => {
    const [client, accepted] = await pairOf(implementation)
    const soon = client as Connection & { destroySoon?: () => void }
    client.write('before')
    // A method of net alone, and older than end(): here it is end with a destroy on finish.
    if (soon.destroySoon) soon.destroySoon()
    else client.end(() => client.destroy())
    expect(await textOf(accepted)).toBe('before')
    await closeOf(client)
  })
})
