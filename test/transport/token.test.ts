/** A shared secret instead of credentials. */
import { once } from 'node:events'
import { inspect } from 'node:util'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'

import { presentToken, token } from '../../lib/index.js'
import { eventually } from '../support/resources.js'
import { sluiceError } from '../support/rings.js'
import { kept, serverKinds, untilTestEnds, type KindOptions } from '../support/server_kinds.js'

const secret = 'correct horse battery staple'
const refused = sluiceError('ERR_SLUICE_REJECTED')

function frame(text: string, length = text.length): Buffer {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(length)
  return Buffer.concat([head, Buffer.from(text)])
}

describe.each(serverKinds)('a server %s that asks for a token', (_, kind) => {
  const { serve: serveAnybody, connect } = untilTestEnds(kind)
  const serve = (options: KindOptions = {}) =>
    serveAnybody({ authorize: token(secret), ...options })

  test('lets in who has it, and both ends use the connection as any other', async () => {
    const { server, address } = await serve()
    const accepting = server.accept()
    const client = await connect(address)
    await presentToken(client, secret)
    const accepted = kept(await accepting)
    // The messages of both, and then the streams.
    await client.send(Buffer.from('question'))
    expect(String((await accepted.receive())?.data)).toBe('question')
    await accepted.send(Buffer.from('answer'))
    expect(String((await client.receive())?.data)).toBe('answer')
    client.write('by stream')
    expect(String(((await once(accepted, 'data')) as [Buffer])[0])).toBe('by stream')
    expect(server.stats()).toMatchObject({ admitted: 1, rejected: { authorize: 0 } })
  })

  test('loses nothing that comes right behind: of the server behind its answer, of the client behind the token', async () => {
    const { server, address } = await serve()
    const accepting = server.accept()
    const client = await connect(address)
    // A client that is too hasty.
    await client.send(Buffer.concat([frame(secret), Buffer.from('hello')]))
    const accepted = kept(await accepting)
    await accepted.send(Buffer.from('welcome'))
    expect(String((await accepted.receive())?.data)).toBe('hello')
    let text = ''
    for await (const chunk of client) {
      text += String(chunk)
      if (text.length >= 8) break
    }
    expect(text).toBe('\u0001welcome')
    const second = server.accept()
    const other = await connect(address)
    const presented = presentToken(other, secret)
    await kept(await second).send(Buffer.from('welcome'))
    await presented
    expect(String((await other.receive())?.data)).toBe('welcome')
  })

  test('lets in a token that comes byte by byte, and one of bytes', async () => {
    const { server, address } = await serve()
    const accepting = server.accept()
    const client = await connect(address)
    for (const byte of frame(secret)) {
      await client.send(Buffer.of(byte))
      await turn()
    }
    kept(await accepting)
    const next = server.accept()
    await presentToken(await connect(address), Buffer.from(secret))
    kept(await next)
  })

  test.each([
    ['wrong', secret.toUpperCase()],
    ['the beginning of it', secret.slice(0, -1)],
    ['longer', `${secret}!`],
    ['of another length', 'x'],
  ])('refuses one that is %s', async (_what, presented) => {
    const { server, address } = await serve()
    const accepting = server.accept().catch(() => undefined)
    const client = await connect(address)
    await expect(presentToken(client, presented)).rejects.toEqual(refused)
    expect(client.destroyed).toBe(true)
    await eventually(() => server.stats().rejected.authorize === 1)
    expect(server.stats()).toMatchObject({ open: 0, admitted: 0 })
    server.close()
    await accepting
  })

  test.each([
    ['nothing', Buffer.alloc(2)],
    ['a token that is said to be too long', frame('x', 1025)],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('refuses %s', async (_what, sent) => {
    const { server, address } = await serve()
    const accepting = server.accept().catch(() => undefined)
    const client = await connect(address)
    await client.send(sent)
    client.resume()
    if (!client.closed) await once(client, 'close')
    expect(server.stats()).toMatchObject({ admitted: 0, rejected: { authorize: 1 } })
    server.close()
    await accepting
  })

  test('refuses one that does not come in time, or stops in the middle; without a warning', async () => {
    const { server, address } = await serve({ authorizeTimeout: 30 })
    const accepting = server.accept().catch(() => undefined)
    const [silent, slow, gone] = await Promise.all([
      connect(address),
      connect(address),
      connect(address),
    ])
    await slow.send(frame(secret).subarray(0, 9))
    await gone.send(frame(secret).subarray(0, 9))
    gone.destroy()
    for (const client of [silent, slow]) {
      client.resume()
      if (!client.closed) await once(client, 'close')
    }
    await eventually(() => server.stats().rejected.authorize === 3)
    expect(server.health().lastError).toBeUndefined()
    server.close()
    await accepting
  })

  test('a client that is turned away at the limit is told another thing than a wrong token', async () => {
    const { server, address } = await serve({ maxConnections: 1 })
    const accepting = server.accept()
    await presentToken(await connect(address), secret)
    kept(await accepting)
    const client = await connect(address)
    await expect(presentToken(client, secret)).rejects.toEqual(
      sluiceError('ERR_SLUICE_DISCONNECTED'),
    )
  })

  test('presenting can be cancelled', async () => {
    const address = kind.address()
    const server = await kind.listen(address) // it never answers
    onTestFinished(() => {
      server.close()
    })
    const accepting = server.accept()
    const client = await connect(address)
    await expect(presentToken(client, secret, { timeout: 10 })).rejects.toEqual(
      sluiceError('ERR_SLUICE_TIMEOUT'),
    )
    expect(client.destroyed).toBe(true)
    kept(await accepting)
  })
})

test('the secret is in no error and is not shown', () => {
  const shown: string[] = [inspect(token(secret), { showHidden: true, depth: 9 })]
  for (const wrong of ['', 'x'.repeat(1025), 77777, undefined, null, {}, '\ud800', []]) {
    for (const call of [
      () => token(wrong as never),
      () => presentToken({} as never, wrong as never),
    ]) {
      try {
        void call()
        shown.push('it was taken')
      } catch (error) {
        expect(error).toEqual(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
        shown.push(inspect(error))
      }
    }
  }
  expect(shown.join()).not.toContain(secret)
  expect(shown.join()).not.toContain('77777')
  expect(shown.join()).not.toContain('it was taken')
})
