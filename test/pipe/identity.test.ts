/**
 * The user at the other end, and the users who may be there. Tests of rules that Wine does not
 * enforce run on Windows only.
 */
import { userInfo } from 'node:os'
import { describe, expect, onTestFinished, test } from 'vitest'

import { connectNamedPipe, NamedPipeServer } from '../../lib/index.js'
import { native } from '../../lib/pipe/native.js'
import { clientPeer } from '../../lib/pipe/peer.js'
import { securityDescriptor } from '../../lib/pipe/security.js'
import { notUnderWine, onWindows } from '../support/platform.js'
import { connectTo, listen, pipeName, pipePair } from '../support/pipes.js'
import { closedAfterTest, sluiceError } from '../support/rings.js'

describe.skipIf(!onWindows)('identity', () => {
  test('the server knows its client', async () => {
    const [server, client] = await pipePair()
    await client.send(Buffer.from('x'))
    await server.receive()
    const { peer } = server
    expect(peer.userSid).toBe(native.currentUserSid())
    expect(peer.sameUser).toBe(true)
    expect(peer.userName?.split('\\').at(-1)).toBe(userInfo().username)
    expect(['medium', 'high', 'system']).toContain(peer.integrityLevel)
    expect(typeof peer.elevated).toBe('boolean')
    expect(peer.sessionId).toBeTypeOf('number')
  })

  test('the client knows its server', async () => {
    const [, client] = await pipePair()
    expect(client.peer).toMatchObject({
      userSid: native.currentUserSid(),
      sameUser: true,
    })
  })

  test('a name that the system could not tell is asked for again', async () => {
    const accountName = native.accountName.bind(native)
    onTestFinished(() => {
      native.accountName = accountName
    })
    const answers = ['', 'DOMAIN\\name', 'never asked']
    native.accountName = () => Promise.resolve(answers.shift() ?? '')
    const nobody = {
      userSid: 'S-1-5-21-1-2-3-4',
      integrityLevel: 'medium',
      elevated: false,
    } as const
    const handle = { process: () => ({}) }
    const names: unknown[] = []
    for (let i = 0; i < 3; i++) names.push((await clientPeer(handle, nobody)).userName)
    expect(names).toEqual([undefined, 'DOMAIN\\name', 'DOMAIN\\name'])
  })

  notUnderWine('Wine does not tell the processes at the ends of a pipe')(
    'both know the other process',
    async () => {
      const [server, client] = await pipePair()
      expect(server.peer.pid).toBe(process.pid)
      expect(client.peer.pid).toBe(process.pid)
    },
  )

  test('a server of somebody else is refused before the first byte', async () => {
    const server = await listen()
    await expect(connectNamedPipe(server.address, { server: { sid: 'S-1-5-18' } })).rejects.toEqual(
      sluiceError('ERR_SLUICE_UNTRUSTED_OWNER', { address: server.address }),
    )
    const anybody = await connectTo(server, { server: 'any' })
    expect(anybody.destroyed).toBe(false)
    const named = await connectTo(server, { server: { sid: native.currentUserSid() } })
    expect(named.destroyed).toBe(false)
  })

  test('the names for security levels give nobody the right to make instances', () => {
    const user = native.currentUserSid()
    const own = `O:${user}D:P(D;;GA;;;NU)(A;;GA;;;${user})(A;;GA;;;SY)`
    expect(securityDescriptor('current-user', true)).toBe(own)
    expect(securityDescriptor('administrators', true)).toBe(`${own}(A;;0x12019b;;;BA)`)
    expect(securityDescriptor('authenticated-users', true)).toBe(`${own}(A;;0x12019b;;;AU)`)
    // 4 is FILE_CREATE_PIPE_INSTANCE.
    expect(0x12019b & 4).toBe(0)
    expect(securityDescriptor('current-user', false)).not.toContain('NU')
  })

  test.each(['current-user', 'administrators', 'authenticated-users'] as const)(
    'this user can connect with security %s',
    async (security) => {
      const [server, client] = await pipePair({ security })
      await client.send(Buffer.from('x'))
      expect(String((await server.receive())?.data)).toBe('x')
    },
  )

  test('a security descriptor of the user is taken as it is', async () => {
    const user = native.currentUserSid()
    const server = await listen({ security: { sddl: `O:${user}D:(A;;GA;;;${user})` } })
    const [connection, client] = await Promise.all([server.accept(), connectTo(server)])
    expect(connection.destroyed || client.destroyed).toBe(false)
    connection.destroy()
  })

  notUnderWine('Wine does not enforce FILE_FLAG_FIRST_PIPE_INSTANCE')(
    'a name on which somebody squats cannot be listened on',
    async () => {
      const name = pipeName()
      const squatter = closedAfterTest(
        await NamedPipeServer.listen(name, { security: 'authenticated-users' }),
      )
      await expect(NamedPipeServer.listen(name)).rejects.toEqual(
        sluiceError('EPERM', { win32: 'ERROR_ACCESS_DENIED' }),
      )
      expect(squatter.closed).toBe(false)
    },
  )
})
