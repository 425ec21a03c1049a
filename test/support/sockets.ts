/** Unix sockets for one test: closed and removed at its end. */
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'

import {
  connectUnix,
  FileDescriptor,
  UnixServer,
  type UnixConnectionOptions,
  type ListenUnixOptions,
  type UnixConnection,
} from '../../lib/index.js'
import { temporaryFolder } from './folder.js'
import { namePrefix } from './resources.js'
import { closedAfterTest } from './rings.js'
import { tolerateWarning } from './warnings.js'

export function socketPath(): string {
  return join(temporaryFolder(), 's')
}

let lastName = 0

/** An abstract name that no other test uses. */
export function abstractName(): string {
  tolerateWarning('SLUICE_OPEN_TO_ALL') // test/socket/server.test.ts is about it
  return `@${namePrefix}${String(++lastName)}`
}

export async function listening(
  options: ListenUnixOptions = {},
  address: string = socketPath(),
): Promise<UnixServer & { readonly address: string }> {
  const server = closedAfterTest(await UnixServer.listen(address, options))
  return server as UnixServer & { address: string }
}

/** Both ends of a connection through a server. */
export async function connected(
  options: UnixConnectionOptions & { type?: 'stream' | 'seqpacket' } = {},
): Promise<{ client: UnixConnection; accepted: UnixConnection }> {
  const server = await listening(options)
  const [client, accepted] = await Promise.all([
    connectUnix(server.address, options),
    server.accept(),
  ])
  server.close()
  return { client: closedAfterTest(client), accepted: closedAfterTest(accepted) }
}

/** Writes until the kernel takes no more; returns how many bytes were written. */
export async function fill(connection: UnixConnection): Promise<number> {
  let bytes = 0
  while (connection.writableLength === 0) {
    connection.write(Buffer.alloc(65536))
    bytes += 65536
    await turn()
  }
  return bytes
}

export function closeAll(descriptors: readonly FileDescriptor[]): void {
  for (const descriptor of descriptors) descriptor.close()
}
