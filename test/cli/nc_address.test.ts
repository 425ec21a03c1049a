/** `sluice nc` over the addresses of `connect`; test/cli/nc.test.ts and nc_pipe.test.ts are about each kind. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { expect, test } from 'vitest'

import { connect, listen } from '../../lib/index.js'
import { newAddress, schemes, type Scheme } from '../support/cli_addresses.js'
import { sluice, type Command } from '../support/command.js'
import { onWindows, underWine, unixOnly } from '../support/platform.js'
import { closedAfterTest } from '../support/rings.js'

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** One that listens, and the address at which it does. */
async function listener(scheme: Scheme): Promise<{ server: Command; address: string }> {
  const wanted = scheme === 'tcp:' ? 'tcp:127.0.0.1:0' : await newAddress(scheme)
  const server = sluice(['nc', '-v', '--listen', wanted])
  const told = await server.tells(/listening on (\S+)/)
  return { server, address: scheme === 'tcp:' ? told : wanted }
}

// Whoever ends first ends both: one direction at a time.
test.each(schemes)('%s bytes arrive whole in either direction', async (scheme) => {
  const content = randomBytes(1_000_003)
  for (const sending of ['client', 'server']) {
    const { server, address } = await listener(scheme)
    const client = sluice(['nc', address])
    const [sender, receiver] = sending === 'client' ? [client, server] : [server, client]
    sender.stdin.end(content)
    const received = await receiver.finished
    expect(received.code).toBe(0)
    expect(sha256(received.stdout)).toBe(sha256(content))
    expect((await sender.finished).code).toBe(0)
  }
})

test.each(schemes)('%s the peer may be a program, and is told', async (scheme) => {
  const { server, address } = await listener(scheme)
  const connection = closedAfterTest(await connect(address))
  const who = await server.tells(/connection of (.*)\n/)
  if (scheme === 'tcp:') expect(who).toMatch(/^tcp:127\.0\.0\.1:\d+$/)
  else if (!underWine) expect(who).toContain(`process ${String(process.pid)}`) // which does not tell it
  connection.end('to nc')
  expect(await server.finished).toMatchObject({ code: 0, stdout: Buffer.from('to nc') })

  const wanted = scheme === 'tcp:' ? 'tcp:127.0.0.1:0' : await newAddress(scheme)
  const own = closedAfterTest(await listen(wanted))
  const client = sluice(['nc', '-v', own.address])
  const accepted = closedAfterTest(await own.accept())
  const whom = await client.tells(/connected to (.*)\n/)
  if (scheme === 'tcp:') expect(whom).toBe(own.address)
  else if (!underWine) expect(whom).toContain(`process ${String(process.pid)}`)
  accepted.end('to nc')
  expect(await client.finished).toMatchObject({ code: 0, stdout: Buffer.from('to nc') })
})

unixOnly('no process can press Ctrl-C for another on Windows')(
  'Ctrl-C ends it, while it waits and while it is connected',
  async () => {
    for (const scheme of schemes) {
      const waiting = await listener(scheme)
      waiting.server.kill('SIGINT')
      expect((await waiting.server.finished).code).toBe(130)

      const { server, address } = await listener(scheme)
      const client = sluice(['nc', '-v', address])
      await client.says('connected to')
      await server.says('connection of')
      client.kill('SIGINT')
      expect((await client.finished).code).toBe(130)
      await server.finished
    }
  },
)

test.each(schemes)(
  '%s a peer that is killed ends it; shm: tells it from an end',
  async (scheme) => {
    const { server, address } = await listener(scheme)
    const client = sluice(['nc', address])
    const came = once(server.stdout, 'data')
    client.stdin.write('something')
    await came
    client.kill('SIGKILL')
    const { code, stdout } = await server.finished
    expect({ code, text: stdout.toString() }).toEqual({
      code: scheme === 'shm:' ? 1 : 0,
      text: 'something',
    })
  },
)

test.each(schemes)('%s a server that is not there is exit code 1 and one line', async (scheme) => {
  const { code, stderr } = await sluice(['nc', await newAddress(scheme)], { input: '' }).finished
  expect(code).toBe(1)
  // Windows has sentences for it, and not the names.
  expect(stderr).toMatch(
    onWindows && scheme !== 'tcp:'
      ? /^sluice nc: cannot .+\n$/
      : /^sluice nc: .*(ENOENT|ECONNREFUSED).*\n$/,
  )
})
