/** The example of D-Bus, with a bus of its own: descriptors go through Debian's dbus-daemon. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'

import { Command, node } from '../support/command.js'
import { temporaryFolder } from '../support/folder.js'
import { needsProgram, skipAllIf } from '../support/platform.js'
import { eventually } from '../support/resources.js'

skipAllIf(process.platform !== 'linux', 'D-Bus is of Linux')

/** Listening on the socket; nobody but this user gets in, as by default. */
async function bus(folder: string): Promise<{ daemon: Command; socket: string }> {
  const socket = join(folder, 'bus')
  const configuration = join(folder, 'bus.conf')
  writeFileSync(
    configuration,
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
`,
  )
  const daemon = new Command('dbus-daemon', [
    `--config-file=${configuration}`,
    '--nofork',
    '--nopidfile',
    '--print-address',
  ])
  await once(daemon.stdout, 'data')
  return { daemon, socket }
}

needsProgram('dbus-daemon')('a service reads files that its callers have opened', async () => {
  const folder = temporaryFolder()
  const { daemon, socket } = await bus(folder)
  const service = node(['examples/dbus/service.mjs', socket])
  await once(service.stdout, 'data')

  const descriptors = () => readdirSync(`/proc/${String(service.pid)}/fd`).length
  const before = descriptors()
  const contents = Array.from({ length: 20 }, (_, i) =>
    Buffer.alloc(50_000 * i, `file ${String(i)}`),
  )
  const files = contents.map((content, i) => {
    const file = join(folder, String(i))
    writeFileSync(file, content)
    return file
  })
  const lines = contents.map(
    (content, i) => `${createHash('sha256').update(content).digest('hex')}  ${files[i] ?? ''}\n`,
  )
  for (let round = 0; round < 2; round++) {
    const { code, stdout, stderr } = await node(['examples/dbus/client.mjs', socket, ...files])
      .finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.toString()).toBe(lines.join(''))
  }

  // None of those that came stays open.
  await eventually(() => descriptors() === before)

  // The service goes when its bus does.
  daemon.kill('SIGTERM')
  await daemon.finished
  expect(await service.finished).toMatchObject({ code: 0, stderr: '' })
})
