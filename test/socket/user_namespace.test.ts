/** Everybody is user 65534 in a namespace that maps nobody, and so nobody is anybody. */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync } from 'node:fs'
import { expect } from 'vitest'

import { allow, peerCredentials, SharedMemory, socketPair } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onlyIf } from '../support/platform.js'
import { closedAfterTest, sluiceError, uniqueName } from '../support/rings.js'

const unshare = '/usr/bin/unshare'
const possible = process.platform === 'linux' && spawnSync(unshare, ['--user', 'true']).status === 0
const inNamespace = onlyIf(possible, 'user namespaces need Linux, and the right to make them')

inNamespace('without a mapping nobody is the same user, or named, or trusted', async () => {
  const name = uniqueName()
  closedAfterTest(SharedMemory.create(name, { size: 16 }))
  chmodSync(`/dev/shm${name}`, 0o666)
  if (process.geteuid?.() === 0) chownSync(`/dev/shm${name}`, 1234, 1234)
  const child = new Child('unmapped_user.mjs', [name], {
    program: unshare,
    execArgv: ['--user', '--', process.execPath],
  })
  const invalid = { code: 'ERR_SLUICE_INVALID_ARGUMENT' }
  const untrusted = { code: 'ERR_SLUICE_UNTRUSTED_OWNER' }
  const told = await child.next<{ any?: unknown; asOwner: { message: string } }>()
  expect(told).toMatchObject({
    uid: 65534,
    sameUser: false,
    allowed: false,
    named: invalid,
    group: invalid,
    memory: untrusted,
    asOwner: untrusted,
  })
  expect(told.any).toBeUndefined()
  expect(told.asOwner.message).toMatch(/user namespace.*owner: 'any'/)
  await child.finish()
})

onlyIf(process.platform === 'linux', 'the id is that of Linux')(
  'with every id mapped 65534 is a user as any other',
  () => {
    const [one] = socketPair().map(closedAfterTest)
    expect(peerCredentials(one).sameUser).toBe(true)
    const nobody = allow({ uids: [65534] })
    expect(nobody(peerCredentials(one))).toBe(false)
    expect(() => allow({ uids: [-1] })).toThrow(sluiceError('ERR_SLUICE_INVALID_ARGUMENT'))
  },
)
