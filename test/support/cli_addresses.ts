/** Addresses that no other test uses, for the commands that take them. */
import { randomUUID } from 'node:crypto'

import { freePort } from './address_transports.js'
import { onWindows } from './platform.js'
import { namePrefix } from './resources.js'
import { abstractName, socketPath } from './sockets.js'

export type Scheme = 'unix:/' | 'unix:@' | 'pipe:' | 'shm:' | 'tcp:'

/** The schemes that this system has. */
export const schemes: readonly Scheme[] = onWindows
  ? ['pipe:', 'shm:', 'tcp:']
  : [
      ...(process.platform === 'linux' ? (['unix:@'] as const) : []),
      'unix:/',
      'pipe:',
      'shm:',
      'tcp:',
    ]

const makers: Record<Scheme, () => string | Promise<string>> = {
  'unix:/': () => `unix:${socketPath()}`,
  'unix:@': () => `unix:${abstractName()}`,
  'pipe:': () => `pipe:${namePrefix}${randomUUID()}`,
  'shm:': () => `shm:${namePrefix}${randomUUID()}`,
  'tcp:': async () => `tcp:127.0.0.1:${String(await freePort())}`,
}

export async function newAddress(scheme: Scheme): Promise<string> {
  return makers[scheme]()
}
