import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'

import {
  connectUnix,
  UnixDatagram,
  UnixServer,
  type PeerCredentials,
  type UnixConnection,
} from '../index.js'
import { CommandFailure, exitCodes } from './failure.js'
import { abortAtSignals } from './interruption.js'
import { notesOf, type Note } from './notes.js'

export interface NcOptions {
  listen?: boolean
  seqpacket?: boolean
  datagram?: boolean
  verbose?: boolean
  /** Milliseconds to wait for the connection. */
  timeout?: number
  mode: number
}

/** `sluice nc`: standard input to a Unix socket, and what comes from there to standard output. */
export async function nc(target: string, options: NcOptions): Promise<void> {
  const address = addressOf(target)
  if (options.seqpacket === true && options.datagram === true) {
    throw new CommandFailure('a socket is of one type: --seqpacket or --datagram', exitCodes.usage)
  }
  const stop = new AbortController()
  abortAtSignals(stop)
  const note = notesOf('nc', options.verbose !== true)
  try {
    if (options.datagram === true) await exchangeDatagrams(address, options, stop.signal, note)
    else await exchangeStream(await open(address, options, stop.signal, note), stop.signal, note)
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error
  }
}

/** `unix:/path` and `unix:@name`; the prefix may be left out. */
function addressOf(target: string): string {
  return target.startsWith('unix:') ? target.slice('unix:'.length) : target
}

async function open(
  address: string,
  { listen, seqpacket, timeout, mode }: NcOptions,
  signal: AbortSignal,
  note: Note,
): Promise<UnixConnection> {
  const type = seqpacket === true ? 'seqpacket' : 'stream'
  // What comes after our own end is to be seen.
  const common = { type, allowHalfOpen: true } as const
  if (listen !== true) {
    const connection = await connectUnix(address, { ...common, signal, timeout })
    note(`connected to ${describePeer(connection.peer)}`)
    return connection
  }
  const server = await UnixServer.listen(address, { ...common, mode })
  try {
    note(`listening on ${address}`)
    const connection = await server.accept({ signal, timeout })
    note(`connection of ${describePeer(connection.peer)}`)
    return connection
  } finally {
    server.close()
  }
}

async function exchangeStream(
  connection: UnixConnection,
  signal: AbortSignal,
  note: Note,
): Promise<void> {
  connection.on('fds', (fds: { kind: string; close(): void }[]) => {
    note(`received ${fds.map(({ kind }) => kind).join(', ')}; closed`)
    for (const descriptor of fds) descriptor.close()
  })
  const abort = () => connection.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort)
  // A peer that has closed takes nothing more: standard input is not waited for then.
  connection.on('end', () => {
    process.stdin.unpipe(connection)
    process.stdin.destroy()
    connection.end()
  })
  try {
    process.stdin.pipe(connection)
    connection.pipe(process.stdout)
    await finished(connection)
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
  } finally {
    signal.removeEventListener('abort', abort)
    connection.destroy()
  }
}

async function exchangeDatagrams(
  address: string,
  { listen, mode }: NcOptions,
  signal: AbortSignal,
  note: Note,
): Promise<void> {
  if (listen === true) {
    const socket = await UnixDatagram.bind(address, { mode, credentials: true })
    try {
      note(`listening on ${address}`)
      for (;;) {
        const { data, from, credentials, fds } = await socket.receive({ signal })
        for (const descriptor of fds) descriptor.close()
        const sender = credentials === undefined ? '' : ` of ${describePeer(credentials)}`
        note(`${String(data.length)} bytes from ${from ?? 'a socket without a name'}${sender}`)
        if (!process.stdout.write(data)) await once(process.stdout, 'drain')
      }
    } finally {
      socket.close()
    }
  }
  const socket = await UnixDatagram.bind()
  try {
    // Each chunk of standard input, which for a person is a line, is a message.
    await pipeline(process.stdin as Readable, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) await socket.send(chunk, address, { signal })
    })
  } finally {
    socket.close()
  }
}

function describePeer({
  pid,
  uid,
  gid,
}: Pick<PeerCredentials, 'uid' | 'gid'> & { pid?: number | undefined }): string {
  const process_ =
    pid === undefined ? 'a process of another pid namespace' : `process ${String(pid)}`
  return `${process_}, user ${String(uid)}, group ${String(gid)}`
}
