import { expect, test } from 'vitest'

import { capabilities } from '../../lib/index.js'
import { sluice } from '../support/command.js'
import { onWindows } from '../support/platform.js'
import { exists } from '../support/rings.js'

test('doctor tries a ring between two processes and tells what there is', async () => {
  const { code, stdout, stderr } = await sluice(['doctor']).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.toString()).toMatch(/^runtime +node /m)
  if (onWindows) expect(stdout.toString()).toMatch(/^namedPipes +yes$/m)
  else expect(stdout.toString()).toMatch(/^\/dev\/shm +\S+ \SB free of /m)
  expect(stdout.toString()).toMatch(/^self-test +ok: 1000 messages to a child process and back/m)
})

test('doctor --json holds the capabilities and the facts', async () => {
  const command = sluice(['doctor', '--json'])
  const { code, stdout } = await command.finished
  expect(code).toBe(0)
  expect(JSON.parse(stdout.toString())).toMatchObject({
    capabilities: capabilities(),
    machine: {
      processors: expect.any(Number) as number,
      openFiles: onWindows ? null : (expect.any(Number) as number),
    },
    selfTest: { ok: true, messages: 1000 },
  })
  expect(exists(`/sluice-doctor-${String(command.pid)}`)).toBe(false)
})
