/** Rules that Windows enforces and Wine does not: none of them can be shown there. */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'

import { connectNamedPipe, NamedPipeServer } from '../../lib/index.js'
import { native } from '../../lib/pipe/native.js'
import { Child } from '../support/child.js'
import { onWindows, skipAllIf, underWine } from '../support/platform.js'
import { connectTo, gone, listen, pipeName, quiet } from '../support/pipes.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

const denied = sluiceError('EPERM', { win32: 'ERROR_ACCESS_DENIED' })
const user = onWindows ? native.currentUserSid() : ''
// The rights that a client needs, and no more.
const clientOnly = { sddl: `O:${user}D:P(A;;0x12019b;;;${user})` }

describe.skipIf(!onWindows)('a security descriptor', () => {
  skipAllIf(underWine, 'Wine keeps security descriptors and does not act on them')

  test('without the right to make instances lets the server make only one', async () => {
    await expect(
      NamedPipeServer.listen(pipeName(), { security: clientOnly, pendingInstances: 2 }),
    ).rejects.toEqual(denied)
  })

  test("with a client's rights lets sluice in, and not who wants all that there is to write", async () => {
    const server = await listen({ security: clientOnly, pendingInstances: 1 })
    const socket = connect({ path: server.address })
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(['EPERM', 'EACCES']).toContain(error.code)
    const client = await connectTo(server)
    expect(client.peer.sameUser).toBe(true)
  })

  test('that leaves the user out keeps the user out', async () => {
    const server = await listen({
      security: { sddl: `O:${user}D:P(A;;GA;;;SY)` },
      pendingInstances: 1,
    })
    await expect(connectNamedPipe(server.address)).rejects.toEqual(
      expect.objectContaining({
        code: 'EPERM',
        win32: 'ERROR_ACCESS_DENIED',
        syscall: 'CreateFile',
      }),
    )
  })

  test('that denies wins over one that allows', async () => {
    const server = await listen({
      security: { sddl: `O:${user}D:P(D;;GR;;;${user})(A;;GA;;;${user})` },
      pendingInstances: 1,
    })
    await expect(connectNamedPipe(server.address)).rejects.toEqual(denied)
  })
})

describe.skipIf(!onWindows)('a name', () => {
  skipAllIf(underWine, 'Wine does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE')

  test('that another process has cannot be listened on, until it has gone', async () => {
    const name = pipeName()
    const squatter = new Child('pipe_states.mjs', [name, 'accept'])
    await squatter.next()
    await expect(NamedPipeServer.listen(name)).rejects.toEqual(denied)
    squatter.kill('SIGKILL')
    await squatter.exited
    const server = closedAfterTest(await NamedPipeServer.listen(name))
    expect(server.closed).toBe(false)
  })

  test('can be shared by servers that both say so', async () => {
    const name = pipeName()
    const first = closedAfterTest(await NamedPipeServer.listen(name))
    const second = closedAfterTest(await NamedPipeServer.listen(name, { firstInstance: false }))
    first.close()
    const client = await connectTo(second)
    const accepted = quiet(closedAfterTest(await second.accept()))
    await client.send(Buffer.from('x'))
    expect(String((await accepted.receive())?.data)).toBe('x')
  })

  test('is not free while a connection is open, and is when it has closed', async () => {
    const name = pipeName()
    const server = closedAfterTest(await NamedPipeServer.listen(name))
    const client = await connectTo(server)
    const accepted = quiet(await server.accept())
    server.close()
    await expect(NamedPipeServer.listen(name)).rejects.toEqual(denied)
    accepted.destroy()
    client.destroy()
    await Promise.all([gone(accepted), gone(client)])
    closedAfterTest(await NamedPipeServer.listen(name))
  })
})

describe.skipIf(!onWindows)('a client that comes over the network', () => {
  skipAllIf(underWine, 'Wine has no clients from other machines')

  const remote = (server: NamedPipeServer) =>
    open(server.address.replace('\\\\.\\', '\\\\localhost\\'), 'r+')

  test('is refused unless it is asked for', async (context) => {
    const open = await listen({ rejectRemote: false })
    const control = await remote(open).catch(() => undefined)
    if (control === undefined) context.skip('this machine serves no pipes to the network')
    await control?.close()
    const server = await listen()
    await expect(remote(server)).rejects.toThrow()
  })

  test('is refused by the mode of the pipe alone', async (context) => {
    const security = { sddl: `O:${user}D:P(A;;GA;;;${user})` }
    const open = await listen({ security, rejectRemote: false })
    const control = await remote(open).catch(() => undefined)
    if (control === undefined) context.skip('this machine serves no pipes to the network')
    await control?.close()
    await expect(remote(await listen({ security }))).rejects.toThrow()
  })
})

describe.skipIf(!onWindows)('the level of impersonation', () => {
  skipAllIf(underWine, 'Wine hands out the whole token at every level of impersonation')

  test.each([
    ['anonymous', false],
    ['identification', true],
    ['impersonation', true],
  ] as const)('%s: the server knows its client: %s', async (impersonation, known) => {
    const server = await listen()
    const [accepted, client] = await Promise.all([
      server.accept(),
      connectTo(server, { impersonation }),
    ])
    quiet(closedAfterTest(accepted))
    await client.send(Buffer.from('x'))
    await accepted.receive()
    if (accepted.peer.userSid === undefined && known) await once(accepted, 'peer')
    expect(accepted.peer.sameUser).toBe(known)
    expect(accepted.peer.userSid === user).toBe(known)
  })
})
