import { expect, test } from 'vitest'

import { capabilities } from '../../lib/index.js'
import { Child } from '../support/child.js'
import { onWindows } from '../support/platform.js'

test('tells the platform, the runtime and what they have', () => {
  expect(capabilities()).toEqual({
    platform: process.platform,
    arch: process.arch,
    runtime: `node ${process.versions.node}`,
    sharedMemory: true,
    sealing: true,
    listing: true,
    zeroCopy: true,
    sharedArrayBuffer: expect.any(Boolean) as boolean,
    ring: true,
    plainStores: process.arch === 'x64' && process.env['SLUICE_ORDERED_STORES'] !== '1',
    waitMany: expect.any(Boolean) as boolean,
    namedPipes: onWindows,
    unixSockets: !onWindows,
    seqpacket: !onWindows,
    abstractNames: !onWindows,
    descriptorPassing: !onWindows,
  })
})

test('tells beforehand what is missing', async () => {
  const child = new Child('capabilities.mjs', [], {
    env: { SLUICE_NO_EXTERNAL_BUFFERS: '1', SLUICE_NO_FUTEX_WAITV: '1' },
  })
  const waitMany = onWindows // there it does not hang on futex_waitv
  expect(await child.next()).toMatchObject({ zeroCopy: false, waitMany, ring: true })
  await child.finish()
})
