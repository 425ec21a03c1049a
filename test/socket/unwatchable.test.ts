/** Waits that cannot begin, because the system refuses to watch the descriptor. */
import { once } from 'node:events'
import { constants } from 'node:os'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import {
  connectUnix,
  socketPair,
  UnixServer,
  type UnixConnection,
  type UnixDatagram,
} from '../../lib/index.js'
import { systemError } from '../../lib/core/errors.js'
import { mayGoOn } from '../../lib/core/turn.js'
import { SocketWatch } from '../../lib/socket/socket_watch.js'
import { Child } from '../support/child.js'
import { onWindows, skipAllIf } from '../support/platform.js'
import { openDescriptors, noMoreDescriptorsThan } from '../support/resources.js'
import { bytes, closedAfterTest, sluiceError } from '../support/rings.js'
import { listening, socketPath } from '../support/sockets.js'

skipAllIf(onWindows, 'there are no Unix sockets')

const watchedElsewhere = {
  name: 'SluiceError',
  code: 'EEXIST',
  syscall: 'epoll_ctl',
  message: expect.stringMatching(
    /something else in this thread watches it .* a net\.Socket/,
  ) as string,
}

describe('a descriptor that something else watches', () => {
  test.each(['stream', 'seqpacket', 'datagram'])('of a %s socket', async (type) => {
    const child = new Child('watched_elsewhere.mjs', [type], {
      env: { SLUICE_WATCH_IN_THREAD: '' }, // the thread's watches are its own
    })
    expect(await child.next()).toEqual({ failures: Array(4).fill(watchedElsewhere), then: 'x' })
    expect(await child.next()).toMatchObject({ failures: [watchedElsewhere] })
    await child.finish()
  })
})

type Receiving = Pick<UnixConnection | UnixDatagram, 'receive' | 'send'>

type Code = 'EEXIST' | 'ENOSPC' | 'ENOMEM'

/** As if the system refused each watch from now on; what it returns ends that. */
function refuseWatches(code: Code): () => void {
  const spy = vi.spyOn(SocketWatch.prototype, 'set').mockImplementation(() => {
    throw systemError('cannot watch the descriptor', 'epoll_ctl', -constants.errno[code])
  })
  const end = () => {
    spy.mockRestore()
  }
  onTestFinished(end)
  return end
}

/** Nothing more may be done in this turn of the event loop. */
function spendTurn(): void {
  while (mayGoOn());
}

function pair(type?: 'stream' | 'seqpacket') {
  const [one, other] = socketPair(type)
  return [closedAfterTest(one), closedAfterTest(other)] as const
}

describe.each<Code>(['EEXIST', 'ENOSPC', 'ENOMEM'])('a system that refuses with %s', (code) => {
  const refused = sluiceError(code, { syscall: 'epoll_ctl' })

  /** What waits at the first is rejected, and the next receive gets what the other sends. */
  async function receivesAgain([one, other]: readonly Receiving[]): Promise<void> {
    const allow = refuseWatches(code)
    const received = [one.receive(), one.receive({ timeout: 60_000 })]
    await Promise.all(received.map((receive) => expect(receive).rejects.toThrow(refused)))
    allow()
    const next = one.receive()
    await other.send(bytes('x'))
    expect((await next)?.data.toString()).toBe('x')
  }

  test('rejects a receive; the next one gets what comes', async () => {
    await receivesAgain(pair())
  })

  test('ends a stream that is read', async () => {
    const [one] = pair()
    refuseWatches(code)
    one.resume()
    expect(await once(one, 'error')).toEqual([refused])
    expect(one.destroyed).toBe(true)
  })

  test('rejects a send that must wait, and ends the connection', async () => {
    const [one] = pair()
    refuseWatches(code)
    const sending = (async () => {
      for (;;) await one.send(Buffer.alloc(65536))
    })()
    await expect(sending).rejects.toThrow(refused)
    expect(one.destroyed).toBe(true)
  })

  test("ends a connection whose peer's end cannot be awaited", async () => {
    const [one] = pair()
    refuseWatches(code)
    await expect(one.closeWrite()).rejects.toThrow(refused)
    expect(one.destroyed).toBe(true)
  })

  test('rejects a receive of datagrams; the next one gets what comes', async () => {
    await receivesAgain(socketPair('datagram').map(closedAfterTest))
  })

  test('rejects a send of datagrams that must wait; the next one goes', async () => {
    const [one, other] = socketPair('datagram').map(closedAfterTest)
    const allow = refuseWatches(code)
    let sent = 0
    const sending = (async () => {
      for (;;) {
        await one.send(bytes(String(sent)))
        sent++
      }
    })()
    await expect(sending).rejects.toThrow(refused)
    await expect(one.send(bytes('y'))).rejects.toThrow(refused)
    allow()
    const last = one.send(bytes('last'))
    for (let i = 0; i < sent; i++) {
      expect((await other.receive()).data.toString()).toBe(String(i))
    }
    await last
    expect((await other.receive()).data.toString()).toBe('last')
  })

  test('rejects an accept; the next one gets the client', async () => {
    const server = await listening()
    const allow = refuseWatches(code)
    const accepting = [server.accept(), server.accept({ timeout: 60_000 })]
    await Promise.all(accepting.map((accept) => expect(accept).rejects.toThrow(refused)))
    allow()
    const next = server.accept()
    closedAfterTest(await connectUnix(server.address))
    closedAfterTest(await next)
  })

  test('rejects a listen, and leaves the name to the next', async () => {
    const path = socketPath()
    const before = openDescriptors()
    const allow = refuseWatches(code)
    await expect(UnixServer.listen(path)).rejects.toThrow(refused)
    await noMoreDescriptorsThan(before)
    allow()
    closedAfterTest(await UnixServer.listen(path))
  })

  test('does not keep anybody from connecting, and from what is there already', async () => {
    const server = await listening()
    refuseWatches(code)
    for (const endTurn of [() => undefined, spendTurn]) {
      const client = closedAfterTest(await connectUnix(server.address))
      endTurn()
      const accepted = closedAfterTest(await server.accept({ timeout: 60_000 }))
      await client.send(bytes('x'))
      endTurn()
      expect((await accepted.receive({ timeout: 60_000 }))?.data.toString()).toBe('x')
    }
  })
})
