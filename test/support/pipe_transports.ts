/** Named pipes as the transport suite wants them described. */
import { connectNamedPipe, NamedPipeServer } from '../../lib/index.js'
import { underWine } from './platform.js'
import { pipeName } from './pipes.js'
import type { ServerUnderTest, TransportUnderTest } from './transport_suite/index.js'
import { pairThrough } from './transport_suite/pair_through.js'

export interface PipeKind {
  mode: 'byte' | 'message'
  /** Whether a pipe of bytes can be half-closed; one of messages always can. */
  halfClose: boolean
  rounds: number
  streamBytes: number
}

export function pipeTransport(
  name: string,
  { mode, halfClose, rounds, streamBytes }: PipeKind,
): TransportUnderTest {
  const keepsBoundaries = mode === 'message'
  const listenOptions = { mode, halfClose }
  const server: ServerUnderTest = {
    address: pipeName,
    listen: (address, options) => NamedPipeServer.listen(address, { ...listenOptions, ...options }),
    listenNarrowly: (address) =>
      NamedPipeServer.listen(address, { ...listenOptions, pendingInstances: 1 }),
    connect: (address, options) => connectNamedPipe(address, { mode, ...options }),
    nobodyCodes: ['ENOENT'],
    manyClients: 200,
  }
  return {
    name,
    keepsBoundaries,
    halfClose,
    hasPartialSends: true,
    findsAtOnce: false, // Wine tells later of a read, although there is something
    largestWrite: keepsBoundaries ? 16 * 2 ** 20 : Infinity,
    goneCodes: ['EPIPE'],
    knowsPeerProcess: !underWine, // which does not tell it
    rounds,
    streamBytes,
    server,
    remote: { module: 'transport_pipe.mjs', options: listenOptions },
    pair: (options) => pairThrough(server, options),
  }
}
