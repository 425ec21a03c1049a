/** `ref` and `unref`: whether a process that does nothing else ends. */
import { describe, expect, test } from 'vitest'

import { Child } from '../child.js'
import { stress } from '../stress.js'
import type { RemoteSide, TestedConnection } from './transport_under_test.js'
import { destroyedAfterTest, receivedToEnd, type Workbench } from './workbench.js'

const alive: [words: string, event: 'received' | 'sent'][] = [
  ['receive', 'received'],
  ['resume', 'received'],
  ['unref, receive, ref', 'received'],
  ['receive, unref, ref', 'received'],
  ['unref, resume, ref', 'received'],
  ['resume, unref, ref', 'received'],
  ['send', 'sent'],
  ['write', 'sent'],
  ['send, unref, ref', 'sent'],
  ['write, unref, ref', 'sent'],
]

const ending = [
  'receive, unref',
  'unref, receive',
  'receive with timeout, unref',
  'unref, receive with timeout',
  'resume, unref',
  'unref, resume',
  'resume, pause, unref',
  'send, unref',
  'unref, send',
  'send with timeout, unref',
  'unref, send with timeout',
  'write, unref',
  'unref, write',
  'setTimeout, unref',
  'receive, close',
  'close',
  'close, ref',
]

export function referenceCounting(bench: Workbench, remote: RemoteSide): void {
  const { server, unrefsWrites = true } = bench.transport
  const isOfWrites = (words: string) => /send|write/.test(words)
  // A pair is what the connections of a server are, which are tried with all words.
  const some = <T>(words: T[]): T[] =>
    server === undefined
      ? stress({ short: words.filter((_, index) => index % 4 === 0), full: words })
      : words

  /** A process that does what the words say with one end; the other is here. */
  async function start(words: string): Promise<{ connection: TestedConnection; child: Child }> {
    const fixed = [remote.module, JSON.stringify(remote.options)]
    if (server === undefined) {
      const [connection, other] = await bench.pair()
      const descriptor = remote.descriptorOf?.(other)
      if (descriptor === undefined) throw new Error('no way to hand an end to a child')
      const child = new Child('transport_ref.mjs', [...fixed, 'inherit', 3, words], {
        descriptors: [descriptor],
      })
      other.destroy()
      return { connection, child }
    }
    const listening = await bench.withServer(server).listen()
    const child = new Child('transport_ref.mjs', [...fixed, 'connect', listening.address, words])
    const connection = destroyedAfterTest(await listening.server.accept())
    listening.server.close()
    return { connection, child }
  }

  describe('a connection', () => {
    test.each(some(alive))('keeps the process alive: %s', async (words, event) => {
      const { connection, child } = await start(words)
      expect(await child.next()).toBe('alone')
      if (event === 'received') await connection.send(Buffer.from('x'))
      else void receivedToEnd(connection).catch(() => undefined)
      expect(await child.next()).toBe(event)
      await child.finish()
    })

    test.each(some(ending).filter((words) => unrefsWrites || !isOfWrites(words)))(
      'lets the process end: %s',
      async (words) => {
        const { child } = await start(words)
        expect(await child.next()).toBe('alone')
        expect(await child.next()).toBe('nothing keeps it alive')
        await child.finish()
      },
    )
  })

  if (server === undefined) return
  const servers = bench.withServer(server)

  function startServer(words: string): { child: Child; address: string } {
    const address = server?.address() ?? ''
    const fixed = [remote.module, JSON.stringify(remote.options)]
    return { child: new Child('transport_ref.mjs', [...fixed, 'listen', address, words]), address }
  }

  describe('a server', () => {
    test.each(['accept', 'accept, unref, ref', 'unref, accept, ref', 'unref, ref, accept'])(
      'keeps the process alive: %s',
      async (words) => {
        const { child, address } = startServer(words)
        expect(await child.next()).toBe('alone')
        await servers.connect(address)
        expect(await child.next()).toBe('accepted')
        child.kill('SIGKILL') // the accepted connection may keep it
      },
    )

    test('keeps the process alive although nobody accepts', async () => {
      const { child, address } = startServer('ref')
      expect(await child.next()).toBe('alone')
      await servers.connect(address)
      expect(await Promise.race([child.next(), servers.connect(address)])).not.toBe(
        'nothing keeps it alive',
      )
    })

    test.each([
      'unref',
      'accept, unref',
      'unref, accept',
      'accept with timeout, unref',
      'unref, accept with timeout',
      'accept, close',
      'close',
      'close, ref',
    ])('lets the process end: %s', async (words) => {
      const { child } = startServer(words)
      expect(await child.next()).toBe('alone')
      expect(await child.next()).toBe('nothing keeps it alive')
      await child.finish()
    })
  })
}
