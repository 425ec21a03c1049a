import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'

import { capabilities } from '../../lib/index.js'
import { sluice } from '../support/command.js'

test('doctor tries a ring between two processes and tells what there is', async () => {
  const { code, stdout, stderr } = await sluice(['doctor']).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.toString()).toMatch(/^runtime +node /m)
  expect(stdout.toString()).toMatch(/^\/dev\/shm +\S+ \SB free of /m)
  expect(stdout.toString()).toMatch(/^self-test +ok: 1000 messages to a child process and back/m)
})

test('doctor --json holds the capabilities and the facts', async () => {
  const command = sluice(['doctor', '--json'])
  const { code, stdout } = await command.finished
  expect(code).toBe(0)
  expect(JSON.parse(stdout.toString())).toMatchObject({
    capabilities: capabilities(),
    machine: { processors: expect.any(Number) as number, openFiles: expect.any(Number) as number },
    selfTest: { ok: true, messages: 1000 },
  })
  expect(readdirSync('/dev/shm')).not.toContain(`sluice-doctor-${String(command.pid)}`)
})
