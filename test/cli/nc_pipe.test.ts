import { once } from 'node:events'
import { describe, expect, test } from 'vitest'

import { connectNamedPipe, NamedPipeServer } from '../../lib/index.js'
import { native } from '../../lib/pipe/native.js'
import { sluice } from '../support/command.js'
import { onlyIf, onWindows, skipAllIf, underWine } from '../support/platform.js'
import { listen, pipeName, quiet } from '../support/pipes.js'
import { closedAfterTest } from '../support/rings.js'

onlyIf(!onWindows, 'Windows has named pipes')(
  'says that there are no named pipes here',
  async () => {
    const { code, stderr } = await sluice(['nc', '\\\\.\\pipe\\a'], { input: '' }).finished
    expect(code).toBe(1)
    expect(stderr).toMatch(/^sluice nc: .*named pipes.*\n$/)
  },
)

const user = () => native.currentUserSid()

describe('a named pipe', () => {
  skipAllIf(!onWindows, 'only Windows has named pipes')

  test.each(['pipe:', '\\\\.\\pipe\\'])(
    'connects to %sname, and tells whose it is',
    async (prefix) => {
      const name = pipeName()
      const server = closedAfterTest(await NamedPipeServer.listen(name))
      const client = sluice(['nc', '-v', `${prefix}${name}`])
      const connection = closedAfterTest(await server.accept())
      connection.end('to nc')
      const { code, stdout, stderr } = await client.finished
      expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: 'to nc' })
      expect(stderr).toMatch(/^sluice nc: connected to .*user /)
      expect(stderr).toContain(user())
      // Wine does not tell the processes at the ends of a pipe.
      if (!underWine) expect(stderr).toContain(`process ${String(process.pid)}, session `)
    },
  )

  test('closes a pipe of bytes at the end of its input', async () => {
    const server = await listen()
    const client = sluice(['nc', server.address], { input: 'from nc' })
    const connection = closedAfterTest(await server.accept())
    expect((await connection.receive())?.data.toString()).toBe('from nc')
    expect(await connection.receive()).toBeUndefined()
    expect(await client.finished).toMatchObject({ code: 0, stderr: '' })
  })

  test('listens, and tells who came', async () => {
    const name = pipeName()
    const listener = sluice(['nc', '-v', '--listen', `pipe:${name}`])
    await listener.says(`listening on \\\\.\\pipe\\${name}`)
    const connection = quiet(closedAfterTest(await connectNamedPipe(name)))
    await connection.send(Buffer.from('to nc'))
    await once(listener.stdout, 'readable')
    connection.end()
    const { code, stdout, stderr } = await listener.finished
    expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: 'to nc' })
    expect(stderr).toMatch(/connection of .*, integrity (medium|high|system)/)
    expect(stderr).toContain(user())
  })

  test('--message keeps the boundaries, and can be read after the end of its input', async () => {
    const name = pipeName()
    const listener = sluice(['nc', '-v', '--message', '--listen', `pipe:${name}`])
    await listener.says('listening')
    const connection = closedAfterTest(
      await connectNamedPipe(name, { mode: 'message', allowHalfOpen: true }),
    )
    listener.stdin.end('from nc')
    expect((await connection.receive())?.data.toString()).toBe('from nc')
    expect(await connection.receive()).toBeUndefined()
    await connection.send(Buffer.from('one'))
    await connection.send(Buffer.from(', two'))
    connection.end()
    const { code, stdout } = await listener.finished
    expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: 'one, two' })
  })

  test('two of them talk to each other', async () => {
    const name = pipeName()
    const listener = sluice(['nc', '-v', '--message', '--listen', `pipe:${name}`])
    await listener.says('listening')
    const client = sluice(['nc', '--message', `pipe:${name}`])
    // Its input stays open: who reads the other's end stops, whatever he still has to send.
    client.stdin.write('a')
    await once(listener.stdout, 'readable')
    listener.stdin.end('b')
    expect((await client.finished).stdout.toString()).toBe('b')
    expect((await listener.finished).stdout.toString()).toBe('a')
  })

  test('a pipe that is not there is exit code 1 and one line', async () => {
    const { code, stderr } = await sluice(['nc', `pipe:${pipeName()}`], { input: '' }).finished
    expect(code).toBe(1)
    expect(stderr).toMatch(/^sluice nc: cannot connect to .*\n$/)
  })

  test("a pipe that is somebody else's is refused, unless --owner names him", async () => {
    const server = await listen()
    const refused = await sluice(['nc', '--owner', 'S-1-5-18', server.address], { input: '' })
      .finished
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(`belongs to ${user()}, not to S-1-5-18`)
    const accepted = await sluice(['nc', '--owner', user(), server.address], { input: '' }).finished
    expect(accepted).toMatchObject({ code: 0, stderr: '' })
  })

  test('--security says who may connect; what cannot be parsed is told', async () => {
    const name = `pipe:${pipeName()}`
    const wrong = await sluice(['nc', '--listen', '--security', 'all', name], { input: '' })
      .finished
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain("'all' is no security descriptor")
    const listener = sluice(['nc', '-v', '--listen', '--security', 'authenticated-users', name])
    await listener.says('listening')
    const client = sluice(['nc', name], { input: 'x' })
    expect((await client.finished).code).toBe(0)
    expect((await listener.finished).stdout.toString()).toBe('x')
  })

  test('--timeout ends the waiting for a client', async () => {
    const args = ['nc', '--listen', '--timeout', '0.1', `pipe:${pipeName()}`]
    const { code, stderr } = await sluice(args, { input: '' }).finished
    expect(code).toBe(1)
    expect(stderr).toBe('sluice nc: accept timed out after 100 ms\n')
  })
})
